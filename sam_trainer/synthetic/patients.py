"""Procedural patients: volumes with labels on any grid, for tests, demo studies and the doctor.

Anatomy is described once, in RAS millimetres, as solids with a signed distance. A grid samples it, so the same
patient can be had axial or sagittal, oblique, flipped or anisotropic, with partial volume at every edge. Everything
is asymmetric: a flip or a transposition anywhere changes the picture.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from sam_infer.arrays import Float64Array
from sam_infer.imaging.geometry import Geometry
from sam_infer.imaging.image_file import write_image, write_mask
from sam_infer.imaging.itk_image import LPS_TO_RAS
from sam_infer.imaging.volume import Mask, Volume

# Signed distance in mm at points (..., 3): negative inside.
Distance = Callable[[Float64Array], Float64Array]


@dataclass(frozen=True)
class Solid:
    """One structure: where it is, what it is called (0 = not labelled) and how bright it is per modality."""

    distance: Distance
    label: int
    ct_hu: float
    mr: float


def ellipsoid(centre: tuple[float, float, float], radii: tuple[float, float, float], tilt: float = 0.0) -> Distance:
    """An ellipsoid, turned by `tilt` radians around the body axis."""
    cos, sin = np.cos(tilt), np.sin(tilt)
    turn = np.array([[cos, sin, 0.0], [-sin, cos, 0.0], [0.0, 0.0, 1.0]])

    def distance(points: Float64Array) -> Float64Array:
        scaled = ((points - np.asarray(centre)) @ turn.T) / np.asarray(radii)
        return np.asarray((np.linalg.norm(scaled, axis=-1) - 1.0) * min(radii))

    return distance


def tube(path: list[tuple[float, float, float]], radii: list[float]) -> Distance:
    """A tube along a polyline; the radius runs linearly between the points."""
    knots, widths = np.asarray(path, float), np.asarray(radii, float)

    def distance(points: Float64Array) -> Float64Array:
        best = np.full(points.shape[:-1], np.inf)
        for start, end, r0, r1 in zip(knots[:-1], knots[1:], widths[:-1], widths[1:], strict=True):
            along = np.clip(((points - start) @ (end - start)) / ((end - start) @ (end - start)), 0.0, 1.0)
            nearest = start + along[..., None] * (end - start)
            best = np.minimum(best, np.linalg.norm(points - nearest, axis=-1) - (r0 + along * (r1 - r0)))
        return best

    return distance


def block(low: tuple[float, float, float], high: tuple[float, float, float]) -> Distance:
    """An axis-parallel block."""
    centre, half = (np.asarray(low) + high) / 2, (np.asarray(high) - low) / 2

    def distance(points: Float64Array) -> Float64Array:
        return np.asarray((np.abs(points - centre) - half).max(axis=-1))

    return distance


def union(*parts: Distance) -> Distance:
    """Everything that lies in one of the parts."""

    def distance(points: Float64Array) -> Float64Array:
        return np.min([part(points) for part in parts], axis=0)

    return distance


ABDOMEN_LABELS = {1: "liver", 2: "spleen", 3: "kidney_right", 4: "kidney_left", 5: "aorta", 6: "vertebra"}


def patient(seed: Sequence[int], geometry: Geometry, modality: str) -> tuple[Volume, Mask]:
    """An abdomen's image and true label map on a grid; the same at every call."""
    rng = np.random.default_rng(seed)
    return render(abdomen(rng), geometry, modality, rng)


def abdomen(rng: np.random.Generator) -> list[Solid]:
    """An upper abdomen around the origin, about 300 mm wide, the liver on the patient's right (+x)."""

    def grow(size: float) -> float:
        return float(size * rng.uniform(0.92, 1.08))

    def at(x: float, y: float, z: float) -> tuple[float, float, float]:
        dx, dy, dz = rng.uniform(-4, 4, 3)
        return float(x + dx), float(y + dy), float(z + dz)

    bend = float(rng.uniform(-6, 6))
    return [
        Solid(ellipsoid((0, 0, 0), (grow(150), grow(105), 400)), 0, -95, 620),  # fat below the skin
        Solid(ellipsoid((0, 0, 0), (grow(136), grow(92), 380)), 0, 35, 300),  # muscle and bowel
        Solid(ellipsoid(at(-4, -46, 0), (grow(38), grow(26), 380)), 0, 55, 240),  # muscles of the back
        Solid(
            union(
                ellipsoid(at(62, 12, 14), (grow(62), grow(58), grow(52)), 0.3),
                ellipsoid(at(10, 36, 20), (grow(48), grow(30), grow(34)), -0.2),
            ),
            1,
            112,
            420,
        ),
        Solid(ellipsoid(at(-88, -22, 24), (grow(26), grow(40), grow(42)), 0.5), 2, 126, 520),
        Solid(ellipsoid(at(58, -48, -34), (grow(26), grow(22), grow(44)), 0.4), 3, 178, 470),
        Solid(ellipsoid(at(-60, -46, -22), (grow(25), grow(23), grow(46)), -0.4), 4, 170, 460),
        Solid(tube([(-10, -18, 140), (-8 + bend, -20, 0), (-6, -22, -140)], [13, 12, 10]), 5, 215, 130),
        Solid(union(ellipsoid((0, -48, 0), (22, 18, 380)), tube([(0, -66, 140), (2, -72, -140)], [6, 6])), 6, 330, 180),
    ]


def l_shape() -> list[Solid]:
    """Soft tissue with one bright L: two arms of different length, one foot forward; nothing in it is symmetric."""
    shape = union(
        block((-9, -12, -24), (-1, 9, 21)), block((-9, -12, -24), (11, -4, 21)), block((-9, 3, 9), (-1, 9, 30))
    )
    return [Solid(ellipsoid((0, 0, 0), (60, 60, 80)), 0, 40, 300), Solid(shape, 1, 260, 700)]


def render(
    solids: list[Solid], geometry: Geometry, modality: str, rng: np.random.Generator, noise: float = 1.0
) -> tuple[Volume, Mask]:
    """Image and label map of a patient on a grid; later solids lie over earlier ones."""
    indices = np.stack(np.meshgrid(*(np.arange(n) for n in geometry.shape), indexing="ij"), axis=-1)
    points = indices @ geometry.affine[:3, :3].T + geometry.affine[:3, 3]
    edge_mm = float(np.median(geometry.spacing_mm))
    image = np.full(geometry.shape, -1000.0 if modality == "CT" else 0.0)
    labels = np.zeros(geometry.shape, np.uint8, order="F")
    for solid in solids:
        distance = solid.distance(points)
        inside = np.clip(0.5 - distance / edge_mm, 0.0, 1.0)  # partial volume over one voxel
        image += inside * ((solid.ct_hu if modality == "CT" else solid.mr) - image)
        labels[distance < 0] = solid.label
    image = _scanner(image, geometry, modality, rng, noise)
    array = np.asfortranarray(np.rint(image).astype(np.int16))
    return Volume(array, geometry, modality if modality in ("CT", "MR") else "OTHER"), Mask(labels, geometry)


def _scanner(
    image: Float64Array, geometry: Geometry, modality: str, rng: np.random.Generator, noise: float
) -> Float64Array:
    """Texture, noise and, for MR, a bias field and the Rician floor."""
    grain = ndimage.gaussian_filter(rng.standard_normal(geometry.shape), [2.5 / s for s in geometry.spacing_mm])
    grain /= max(float(grain.std()), 1e-6)
    if modality == "CT":
        return np.maximum(image + noise * (6.0 * grain + 9.0 * rng.standard_normal(geometry.shape)), -1024)
    slope = rng.uniform(-0.25, 0.25, 3)
    axes = np.meshgrid(*(np.linspace(-1, 1, n) for n in geometry.shape), indexing="ij")
    bias = 1.0 + sum(s * a for s, a in zip(slope, axes, strict=True))
    signal = image * bias * (1 + 0.04 * noise * grain)
    real = signal + 12.0 * noise * rng.standard_normal(geometry.shape)
    return np.asarray(np.hypot(real, 12.0 * noise * rng.standard_normal(geometry.shape)))


def grid(
    shape: tuple[int, int, int], spacing_mm: tuple[float, float, float], turn: Float64Array | None = None
) -> Geometry:
    """A grid centred on the patient in LPS order (as most scanners store), optionally turned by a 3x3 rotation."""
    affine = LPS_TO_RAS @ np.diag([*spacing_mm, 1.0])
    if turn is not None:
        affine[:3, :3] = turn @ affine[:3, :3]
    affine[:3, 3] = -affine[:3, :3] @ ((np.asarray(shape) - 1) / 2)
    return Geometry(shape, affine)


def rotation(x: float, y: float, z: float) -> Float64Array:
    """The rotation by degrees around the world axes, x first."""
    a, b, c = np.deg2rad([x, y, z])
    rx = np.array([[1, 0, 0], [0, np.cos(a), -np.sin(a)], [0, np.sin(a), np.cos(a)]])
    ry = np.array([[np.cos(b), 0, np.sin(b)], [0, 1, 0], [-np.sin(b), 0, np.cos(b)]])
    rz = np.array([[np.cos(c), -np.sin(c), 0], [np.sin(c), np.cos(c), 0], [0, 0, 1]])
    return np.asarray(rz @ ry @ rx)


def reoriented(
    array: npt.NDArray[Any], geometry: Geometry, order: tuple[int, ...], flips: tuple[bool, ...]
) -> tuple[npt.NDArray[Any], Geometry]:
    """The same patient stored with its axes permuted to `order`, then flipped where `flips` says so."""
    turned = array.transpose(order)
    affine = geometry.affine.copy()
    affine[:3, :3] = affine[:3, :3][:, list(order)]
    for axis, flip in enumerate(flips):
        if flip:
            turned = np.flip(turned, axis)
            affine[:3, 3] += affine[:3, axis] * (turned.shape[axis] - 1)
            affine[:3, axis] *= -1
    i, j, k = turned.shape
    return np.asfortranarray(turned), Geometry((i, j, k), affine)


def lesion_photo(rng: np.random.Generator, size: int = 384) -> tuple[Volume, Mask]:
    """A colour photograph of a skin lesion with hairs, and its mask; one slice."""
    y, x = np.meshgrid(np.linspace(-1, 1, size), np.linspace(-1, 1, size), indexing="ij")
    angle = np.arctan2(y - 0.1, x + 0.15)
    edge = 0.42 + 0.06 * np.sin(3 * angle + 1.0) + 0.04 * np.cos(5 * angle)
    inside = np.clip((edge - np.hypot(y - 0.1, x + 0.15)) * 18 + 0.5, 0, 1)
    grain = ndimage.gaussian_filter(rng.standard_normal((size, size)), 3) * 3
    skin = np.stack([218 + 9 * grain, 168 + 8 * grain, 142 + 8 * grain], -1)
    mole = np.stack([112 + 34 * grain, 72 + 26 * grain, 54 + 20 * grain], -1)
    picture = skin + inside[..., None] * (mole - skin)
    for _ in range(14):
        start, direction, bow = rng.uniform(-1, 1, 2), rng.uniform(0, np.pi), rng.uniform(-0.5, 0.5)
        along = (y - start[0]) * np.sin(direction) + (x - start[1]) * np.cos(direction)
        across = (y - start[0]) * np.cos(direction) - (x - start[1]) * np.sin(direction) - bow * along**2
        picture[(np.abs(across) < 0.005) & (np.abs(along) < 0.6)] = (52, 40, 36)
    geometry = Geometry((size, size, 1), LPS_TO_RAS)
    colour = np.clip(np.rint(picture), 0, 255).astype(np.uint8).transpose(1, 0, 2)[:, :, None]
    mask = np.asfortranarray((inside > 0.5).astype(np.uint8).T[:, :, None])
    return Volume(colour, geometry, "RGB"), Mask(mask, geometry)


def demo_studies(folder: Path, seed: int = 0) -> Path:
    """Write the demo studies folder once: two phantom CTs, an MR, a photograph, their labels and dataset.json."""
    if (folder / "dataset.json").exists():
        return folder
    cases: dict[str, Any] = {}
    abdomen_names = {str(value): name for value, name in ABDOMEN_LABELS.items()}
    for number, (name, modality, shape, spacing) in enumerate(
        [
            ("demo_ct_1", "CT", (192, 160, 48), (1.8, 1.8, 5.0)),
            ("demo_ct_2", "CT", (176, 144, 40), (2.0, 2.0, 6.0)),
            ("demo_mr_1", "MR", (160, 144, 36), (2.1, 2.1, 6.0)),
        ]
    ):
        volume, mask = patient([seed, number], grid(shape, spacing), modality)
        _write_case(folder, f"{name}.nii.gz", volume, mask)
        cases[name] = {"modality": modality, "labels": abdomen_names}
    _write_case(folder, "demo_photo.png", *lesion_photo(np.random.default_rng([seed, 99])))
    cases["demo_photo"] = {"modality": "dermoscopy", "labels": {"1": "skin_lesion"}}
    # Written last: its presence says that the folder is complete.
    (folder / "dataset.json").write_text(json.dumps({"cases": cases, "origin": "procedural", "seed": seed}, indent=1))
    return folder


def _write_case(folder: Path, name: str, volume: Volume, mask: Mask) -> None:
    write_image(volume, folder / name)
    write_mask(mask, folder / "labels" / "final" / name)
