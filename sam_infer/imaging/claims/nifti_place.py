"""Where the voxels of an ordinary NIfTI file lie, from its header alone, in ITK's numbers to the last bit.

ITK's decision between the two places that a header may hold: the sform where it says "scanner" or where there is no
qform, else the qform; spacing is the header's own in either case. Whatever ITK would have to think about (no place at
all, a sheared sform, other units than millimetres, numbers that are none) is left to it: None. Loading ITK takes two
seconds and a quarter of a gigabyte, which a server then need not have before somebody saves a label.
"""

from __future__ import annotations

import struct

import numpy as np

from sam_infer.arrays import Float64Array

SCANNER = 1

# Units of space in the lowest bits: nothing said, or millimetres.
UNIT_BITS, MILLIMETRES = 7, (0, 2)

# Columns of an sform that are less orthogonal are ITK's business; rounding to 32 bits leaves 1e-7.
SHEAR = 1e-5

# As in NIfTI's own code: beyond it, a rotation by half a turn.
HALF_TURN = 1e-7

# No image reaches further; the earth's diameter is 1.3e10.
FARTHEST_MM = 1e7


def affine_in_header(header: bytes) -> Float64Array | None:
    """The RAS affine (4, 4) of a header in this machine's byte order; None where ITK must say."""
    spacing, handed = np.array(struct.unpack_from("<3f", header, 80)), struct.unpack_from("<f", header, 76)[0]
    qform, sform = struct.unpack_from("<2h", header, 252)
    if header[123] & UNIT_BITS not in MILLIMETRES or not (spacing > 0).all() or not max(qform, sform) > 0:
        return None
    if sform == SCANNER or (sform > 0 and qform <= 0):
        rows = np.array(struct.unpack_from("<12f", header, 280)).reshape(3, 4)
        axes, origin = rows[:, :3], rows[:, 3]
    elif qform > 0:
        axes = _turned(np.array(struct.unpack_from("<3f", header, 256)), spacing, handed)
        origin = np.array(struct.unpack_from("<3f", header, 268))
    else:
        return None
    with np.errstate(all="ignore"):
        lengths = np.linalg.norm(axes, axis=0)
        direction = axes / lengths
        straight = np.abs(direction.T @ direction - np.eye(3)).max() < SHEAR
    to_lps = np.diag([-1.0, -1.0, 1.0])
    lps = np.eye(4)
    lps[:3, :3], lps[:3, 3] = to_lps @ direction * spacing, to_lps @ origin
    if not straight or not (np.abs(lps) < FARTHEST_MM).all():  # NaN is not less, either
        return None
    return np.asarray(np.diag([-1.0, -1.0, 1.0, 1.0]) @ lps)


def _turned(quaternion: Float64Array, spacing: Float64Array, handed: float) -> Float64Array:
    """Columns of a rotation times the spacing, rounded to 32 bits as NIfTI's code keeps them."""
    b, c, d = (float(value) for value in quaternion)
    rest = 1.0 - (b * b + c * c + d * d)
    if rest < HALF_TURN:
        scale = 1.0 / np.sqrt(b * b + c * c + d * d) if b or c or d else 0.0
        a, b, c, d = 0.0, b * scale, c * scale, d * scale
    else:
        a = float(np.sqrt(rest))
    x, y, z = (float(value) for value in spacing)
    z = -z if handed < 0 else z
    rows = [
        [(a * a + b * b - c * c - d * d) * x, 2.0 * (b * c - a * d) * y, 2.0 * (b * d + a * c) * z],
        [2.0 * (b * c + a * d) * x, (a * a + c * c - b * b - d * d) * y, 2.0 * (c * d - a * b) * z],
        [2.0 * (b * d - a * c) * x, 2.0 * (c * d + a * b) * y, (a * a + d * d - c * c - b * b) * z],
    ]
    return np.array(rows).astype(np.float32).astype(np.float64)
