"""Labelled 3D structures (largest connected component) as objects to be followed from slice to slice.

One structure is the largest connected part of one label of a case, visible on at least `MIN_SLICES` slices: what a
reader would start on one slice and want in 3D. Slices run across the axis that `cases.slice_axis` chooses.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from sam_infer.arrays import BoolArray, Int64Array
from sam_infer.errors import VolumeError
from sam_infer.imaging.image_file import read_mask
from sam_infer.prompts.object_prompts import Box
from sam_trainer.labels.cases import MIN_PIXELS, Case, Source, slice_axis

MIN_SLICES = 5


@dataclass(frozen=True, eq=False)
class Structure:
    """One structure of one case."""

    case: Case
    label: str
    mask: BoolArray  # (I, J, K)
    axis: int

    @property
    def slices(self) -> list[int]:
        """Indices along `axis` it is visible on."""
        return [int(k) for k in np.flatnonzero(self.areas)]

    @property
    def areas(self) -> Int64Array:
        """Voxels per slice."""
        return np.asarray(self.mask.sum(axis=tuple(a for a in range(3) if a != self.axis)))

    def at(self, share: float) -> int:
        """The slice at a share of the way from its first to its last one."""
        slices = self.slices
        return slices[round(share * (len(slices) - 1))]

    def box(self, index: int | None = None) -> Box:
        """Its tight box: on one slice, or in 3D."""
        part = self.mask if index is None else self.mask.take([index], self.axis)
        voxels = np.argwhere(part)
        low, high = voxels.min(axis=0), voxels.max(axis=0)
        if index is not None:
            low[self.axis] = high[self.axis] = index
        return Box(low, high)


def structures_of(case: Case) -> list[Structure]:
    """The structures of a case, in the order of their label values; none of an image of fewer slices."""
    labels = read_mask(case.label)
    axis = slice_axis(labels.geometry)
    if labels.geometry.shape[axis] < MIN_SLICES:
        return []
    names = case.labels or {value: f"label {value}" for value in labels.values()}
    found = []
    for value, name in sorted(names.items()):
        whole = np.isin(labels.array, (value, *case.includes.get(value, ())))
        structure = Structure(case, name, _largest(whole), axis)
        if len(structure.slices) >= MIN_SLICES and int(structure.areas.max()) >= MIN_PIXELS:
            found.append(structure)
    return found


def collect_structures(sources: Sequence[Source], limit: int | None = None) -> list[tuple[bool, Structure]]:
    """Every structure of every source, and whether its source enters the headline.

    `limit` keeps that many per source, evenly spread over its list.
    """
    collected = []
    for source in sources:
        found = [structure for case in source.cases for structure in structures_of(case)]
        if limit is not None and len(found) > limit:
            found = [found[int((n + 0.5) * len(found) / limit)] for n in range(limit)]
        collected += [(source.headline, structure) for structure in found]
    if not collected:
        raise VolumeError(f"no labelled structure is visible on {MIN_SLICES} slices or more", "studies")
    return collected


def _largest(mask: BoolArray) -> BoolArray:
    labels, count = ndimage.label(mask, np.ones((3, 3, 3)))
    if count <= 1:
        return mask
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    return np.asarray(labels == sizes.argmax())
