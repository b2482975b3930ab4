"""Atlas mode: accepted cases are laid over a volume, and the network draws along their warped labels.

Several cases vote: where one looks like the volume after the registration, its label counts more there.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence

import numpy as np
from scipy import ndimage

from sam_infer.arrays import Float32Array
from sam_infer.automatic.example import AcceptedCase, others
from sam_infer.automatic.label_search import LabelMap, LabelSearch
from sam_infer.automatic.registration import Registration, prepare, register
from sam_infer.imaging.volume import Mask, Volume

# More cases cost a registration each; of three the second and third mend what is odd about the first.
MOST_ATLASES = 5

# Likeness is compared in cubes of this many voxels' deviation, and counts to this power.
REACH, SHARPNESS = 3.0, 4.0


def atlas_labels(search: LabelSearch, cases: Sequence[AcceptedCase], count: int = 1) -> LabelMap:
    """The labels of the accepted cases most like this one, warped; box and mask of each slice are the prompt."""
    return search.draw(warped_labels(search, cases, count))


def warped_labels(search: LabelSearch, cases: Sequence[AcceptedCase], count: int = 1) -> Mask:
    """The labels of the `count` accepted cases most like this volume, laid over it; where they differ, they vote."""
    nearest = others(search.volume, cases)[:count]
    key = ("warped", search.volume.digest, len(search.labels), *(case.digest for case in nearest))
    packed = search.memo.get(key, lambda: _packed(_laid_over(search, nearest)))
    shape = search.volume.geometry.shape
    values = np.frombuffer(zlib.decompress(packed), np.uint8).reshape(shape, order="F")
    return Mask(values.copy(order="F"), search.volume.geometry)


def _laid_over(search: LabelSearch, nearest: Sequence[AcceptedCase]) -> Mask:
    prepare()
    if len(nearest) == 1:
        return _registered(search, nearest[0]).warp(nearest[0].labels)
    return _voted(search, nearest)


def _packed(mask: Mask) -> bytes:
    """Label maps are kept small: one slice after the other asks for the same one."""
    return zlib.compress(np.asfortranarray(mask.array).tobytes(order="F"), 1)


def _registered(search: LabelSearch, case: AcceptedCase) -> Registration:
    return search.memo.get(
        ("registration", search.volume.digest, case.volume.digest),
        lambda: search.job.uncounted().slice(lambda: register(search.volume, case.volume)),
    )


def _voted(search: LabelSearch, cases: Sequence[AcceptedCase]) -> Mask:
    """Each voxel's label by votes, weighed by how alike the images are around it."""
    here = _standardised(_grey(search.volume))
    votes = np.zeros((len(search.labels) + 1, *search.volume.geometry.shape), np.float32)
    for case in cases:
        laid = _registered(search, case)
        there = _standardised(laid.warp_image(_grey(case.volume)))
        weight = _likeness(here, there)
        labels = laid.warp(case.labels).array
        for value in range(len(votes)):
            votes[value] += np.where(labels == value, weight, 0)
    return Mask(votes.argmax(axis=0).astype(np.uint8), search.volume.geometry)


def _grey(volume: Volume) -> Float32Array:
    return np.asarray(volume.array.mean(axis=3) if volume.is_colour else volume.array, np.float32)


def _standardised(values: Float32Array) -> Float32Array:
    return np.asarray((values - values.mean()) / (values.std() + 1e-6), np.float32)


def _likeness(one: Float32Array, other: Float32Array) -> Float32Array:
    """Local correlation of two images, 0..1, sharpened; a little everywhere, so that nobody is without a voice."""
    reach = [min(REACH, size / 4) for size in one.shape]
    mean1, mean2 = (ndimage.gaussian_filter(image, reach) for image in (one, other))
    var1, var2 = (ndimage.gaussian_filter(i**2, reach) - m**2 for i, m in ((one, mean1), (other, mean2)))
    both = ndimage.gaussian_filter(one * other, reach) - mean1 * mean2
    alike = both / np.sqrt(np.maximum(var1, 1e-4) * np.maximum(var2, 1e-4))
    return np.asarray(np.clip(alike, 0, 1) ** SHARPNESS + 1e-3, np.float32)
