"""Cines: images and label maps in time, one volume per phase, all of them on one grid.

A phase is an ordinary volume, so whatever looks at volumes can look at one. Phases count from 0, as slices do.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from sam_infer.errors import PromptError, VolumeError
from sam_infer.imaging.geometry import Geometry
from sam_infer.imaging.volume import Mask, Phase, Volume


@dataclass(frozen=True, eq=False)
class Cine:
    """An image in time; an image without phases is a cine of one."""

    phases: tuple[Volume, ...]
    step_s: float = 1.0  # seconds from phase to phase; 1 where the file does not say

    @classmethod
    def of(cls, volumes: Sequence[Volume], step_s: float = 1.0) -> Cine:
        """Volumes that know which phase they are."""
        count = len(volumes)
        if count == 1:
            return cls((volumes[0],))
        return cls(tuple(replace(one, phase=Phase(n, count, step_s)) for n, one in enumerate(volumes)), step_s)

    @property
    def geometry(self) -> Geometry:
        """The grid of every phase."""
        return self.phases[0].geometry

    @property
    def nbytes(self) -> int:
        """Size in memory."""
        return sum(one.nbytes for one in self.phases)

    def at(self, phase: int | None) -> Volume:
        """One phase; the first where nobody names one. Refused where there is none of that number."""
        if phase is not None and len(self.phases) == 1:
            raise PromptError("the image has no phases in time: leave phase out", "phase")
        if phase is not None and not 0 <= phase < len(self.phases):
            raise PromptError(f"phase must be from 0 to {len(self.phases) - 1}, got {phase}", "phase")
        return self.phases[phase or 0]

    def film(self, axis: int, index: int) -> Volume:
        """What is seen at one slice position: a volume whose slices across `axis` are the phases.

        Time has no millimetres. Phases lie as far apart there as the slice's pixels, so that whoever reckons in
        millimetres takes a few phases for near.
        """
        views = [one.array.take(index, axis) for one in self.phases]
        geometry, count = self.geometry, len(self.phases)
        affine = geometry.affine.copy()
        affine[:3, 3] += affine[:3, axis] * index
        near = min(mm for a, mm in enumerate(geometry.spacing_mm) if a != axis)
        affine[:3, axis] *= near / geometry.spacing_mm[axis]
        i, j, k = (count if a == axis else n for a, n in enumerate(geometry.shape))
        first = self.phases[0]
        return Volume(np.stack(views, axis), Geometry((i, j, k), affine), first.modality, first.file_window)


def phase_number(value: Any) -> int | None:
    """A phase as somebody says it, a number or text that is one; None where nobody says any."""
    if value is None or value == "":
        return None
    try:
        number = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError):
        number = math.nan
    if not number.is_integer() or number < 0:
        raise PromptError(f"phase must be a whole number from 0, got {str(value)[:40]!r}", "phase")
    return int(number)


@dataclass(frozen=True, eq=False)
class CineMask:
    """Label values in time: one mask per phase, all on one grid."""

    phases: tuple[Mask, ...]
    step_s: float = 1.0

    @classmethod
    def empty(cls, geometry: Geometry, count: int, step_s: float = 1.0) -> CineMask:
        """All background."""
        return cls(tuple(Mask.empty(geometry) for _ in range(count)), step_s)

    @property
    def geometry(self) -> Geometry:
        """The grid of every phase."""
        return self.phases[0].geometry

    def values(self) -> list[int]:
        """The values that are there, without the background."""
        return sorted({value for one in self.phases for value in one.values()})

    @property
    def marked(self) -> tuple[int, ...]:
        """The phases in which anything is marked."""
        return tuple(n for n, one in enumerate(self.phases) if one.array.any())

    def with_phase(self, phase: int, mask: Mask) -> CineMask:
        """The same with one phase replaced."""
        return replace(self, phases=tuple(mask if n == phase else one for n, one in enumerate(self.phases)))

    def require_on(self, geometry: Geometry, count: int, field_name: str = "label") -> None:
        """Refuse to meet an image of another grid, or of other phases."""
        if len(self.phases) != count:
            has = f"{len(self.phases)} phases" if len(self.phases) > 1 else "no phases"
            wanted = f"{count} phases" if count > 1 else "none"
            raise VolumeError(f"{field_name} has {has}, and the image {wanted}", field_name)
        self.phases[0].require_same_grid(geometry, field_name)
