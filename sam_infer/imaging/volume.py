"""Volumes and masks: voxel arrays that cannot lose their geometry."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from sam_infer.arrays import UInt8Array, zero_bytes
from sam_infer.errors import VolumeError
from sam_infer.imaging.geometry import Geometry
from sam_infer.imaging.slice_view import SliceView

MODALITIES = ("CT", "MR", "US", "XR", "PT", "RGB", "OTHER")

# A tag is a short word; two names of DICOM, of a maker and of a model, are within it.
LONGEST_TAG = 130

# Air, lung and noisy fat are well below zero; other modalities store no such values on purpose.
CT_LOW_HU = -150


@dataclass(frozen=True)
class Phase:
    """Which part of an image in time a volume is."""

    index: int  # from 0
    count: int
    step_s: float  # seconds from one to the next; 1 where nobody says


@dataclass(frozen=True)
class Tags:
    """What kind of image this is, in words as `tag_word` makes them: an adapter may hold a part for one kind alone.

    Two words, for an image has both at once, and each kind of adapter goes by one of them.
    """

    domain: str = ""  # where it comes from: a scanner, a site; empty where nobody says
    view: str = ""  # how it shows the body: short or long axis, frontal or lateral

    def of(self, facet: str) -> str:
        """One of the two by its name; nothing by any other."""
        return {"domain": self.domain, "view": self.view}.get(facet, "")

    def over(self, other: Tags) -> Tags:
        """These, and the other's where nothing is said here."""
        return Tags(self.domain or other.domain, self.view or other.view)


NO_TAGS = Tags()


def tag_word(said: object) -> str | None:
    """A tag as it is compared: lower case, single blanks, without `/` and `=`; None where that is no tag."""
    if not isinstance(said, str):
        return None
    word = " ".join("".join(c if c.isprintable() and c not in "/=" else " " for c in said).lower().split())
    return word if len(word) <= LONGEST_TAG else None


@dataclass(frozen=True, eq=False)
class Volume:
    """An image on a grid: array (I, J, K), or (I, J, K, 3) for colour, of any number type."""

    array: npt.NDArray[Any]
    geometry: Geometry
    modality: str = "OTHER"
    file_window: tuple[float, float] | None = None  # (low, high) stored in the file, e.g. by DICOM
    note: str | None = field(default=None)  # what a reader should know, e.g. uneven slice distances
    phase: Phase | None = None  # of an image in time: which this is
    tags: Tags = NO_TAGS  # as far as its file says

    def __post_init__(self) -> None:
        if self.array.shape[:3] != self.geometry.shape:
            raise VolumeError(f"array {self.array.shape} does not fit the grid {self.geometry.shape}", "array")
        if self.array.ndim not in (3, 4) or (self.array.ndim == 4 and self.array.shape[3] != 3):
            raise VolumeError(f"array must be (I, J, K) or (I, J, K, 3), got {self.array.shape}", "array")
        if self.modality not in MODALITIES:
            raise VolumeError(f"modality must be one of {MODALITIES}, got {self.modality!r}", "modality")

    @property
    def is_colour(self) -> bool:
        """Whether voxels are RGB triples."""
        return self.array.ndim == 4

    @cached_property
    def digest(self) -> str:
        """Hash of voxels, type and place: equal digests, equal images."""
        state = hashlib.blake2b(digest_size=16)
        state.update(f"{self.array.dtype.str}{self.array.shape}".encode())
        state.update(self.geometry.affine.tobytes())
        voxels = self.array.transpose(2, 1, 0, *range(3, self.array.ndim))  # files are read i fastest: no copy
        state.update(np.ascontiguousarray(voxels).data)
        return state.hexdigest()

    @property
    def cache_name(self) -> str:
        """What caches know it by."""
        return self.digest

    @property
    def nbytes(self) -> int:
        """Size in memory."""
        return int(self.array.nbytes)

    def view(self, axis: int, index: int) -> SliceView:
        """The slice `index` across stored axis `axis`, oriented as a radiologist sees it."""
        return SliceView.of(self.geometry, axis, index)

    def pixels(self, view: SliceView) -> npt.NDArray[Any]:
        """Intensities (H, W) or (H, W, 3) of a slice in display orientation."""
        return view.extract(self.array)


@dataclass(frozen=True, eq=False)
class Mask:
    """Label values (0 = background) on a grid: array (I, J, K), uint8."""

    array: UInt8Array
    geometry: Geometry
    filled: tuple[int, int] | None = None  # k from, to: all others are known to be empty; None knows nothing

    def __post_init__(self) -> None:
        if self.array.shape != self.geometry.shape:
            raise VolumeError(f"mask {self.array.shape} does not fit the grid {self.geometry.shape}", "mask")
        if self.array.dtype != np.uint8:
            raise VolumeError(f"a mask holds uint8, got {self.array.dtype}", "mask")

    @classmethod
    def empty(cls, geometry: Geometry) -> Mask:
        """All background, i fastest in memory so that writing it costs no transposition."""
        return cls(zero_bytes(geometry.shape), geometry)

    def values(self) -> list[int]:
        """The values that are there, without the background."""
        present = np.zeros(256, bool)
        for plane in self._planes():
            if plane.any():
                present |= np.bincount(plane.ravel(order="K"), minlength=len(present)) > 0
        return [int(value) for value in np.flatnonzero(present) if value]

    def marked_box(self) -> tuple[slice, slice, slice]:
        """The smallest box with everything that is marked; empty where nothing is."""
        lit = [n for n, plane in enumerate(self._planes()) if plane.any()]
        box = [slice(0, 0)] * 3
        if lit:
            slowest = self._slowest
            box[slowest] = slice(lit[0], lit[-1] + 1)
            marked = self._planes()[box[slowest]].any(axis=0)
            for axis, others in zip((a for a in range(3) if a != slowest), (1, 0), strict=True):
                along = np.flatnonzero(marked.any(axis=others))
                box[axis] = slice(int(along[0]), int(along[-1]) + 1)
        return box[0], box[1], box[2]

    @property
    def _slowest(self) -> int:
        """The axis whose planes are whole pieces of memory."""
        return int(np.argmax(self.array.strides))

    def _planes(self) -> UInt8Array:
        """The planes across the slowest axis: a volume is mostly empty ones, which cost least that way."""
        return np.moveaxis(self.array, self._slowest, 0)

    def require_same_grid(self, geometry: Geometry, field_name: str = "mask") -> None:
        """Refuse to meet an image of another geometry; masks are never resampled silently."""
        if not self.geometry.same_as(geometry):
            raise VolumeError(
                f"{field_name} has another grid than the image: {self.geometry.describe()} against "
                f"{geometry.describe()}, or another place in space; resample it to the image first",
                field_name,
            )


def guess_modality(array: npt.NDArray[Any]) -> str:
    """CT, RGB or OTHER from the numbers alone, for formats that do not say."""
    if array.ndim == 4:
        return "RGB"
    return "CT" if any(shows_air(array[:, :, k]) for k in guessed_from(array.shape[2])) else "OTHER"


def guessed_from(slices: int) -> range:
    """The slices that are enough to guess a modality from."""
    return range(0, slices, max(1, slices // 16))


def shows_air(pixels: npt.NDArray[Any]) -> bool:
    """Whether a slice stores what only a CT does."""
    some = pixels[::4, ::4]
    return some.size > 0 and float(some.min()) <= CT_LOW_HU


def named_modality(array: npt.NDArray[Any], wish: str | None) -> str:
    """Our name of a modality; a CT that was already windowed to 8 bits is not treated as Hounsfield units."""
    guessed = guess_modality(array)
    if guessed == "RGB" or wish is None:
        return guessed
    wish = wish.upper()
    if wish == "CT":
        return "CT" if guessed == "CT" else "OTHER"
    known = {"MR": "MR", "US": "US", "PT": "PT", "CR": "XR", "DX": "XR", "XR": "XR", "RF": "XR", "MG": "XR"}
    return next((ours for theirs, ours in known.items() if wish.startswith(theirs)), "OTHER")
