"""Labels of images in time: one file with all phases, whatever a client sends.

A label map of three dimensions is one phase: the one that the client names, the first where it names none. It replaces
that phase and leaves what is stored of the others. A label map of four dimensions replaces all of them.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sam_infer.errors import PromptError, VolumeError
from sam_infer.imaging.cine import CineMask, phase_number
from sam_infer.imaging.geometry import Geometry
from sam_infer.imaging.image_file import read_cine_mask, write_cine_mask
from sam_infer.imaging.volume import Mask, Phase
from samlabel.access.uploads import read_upload


@dataclass(frozen=True, eq=False)
class LabelInTime:
    """A label map that was sent for an image with phases."""

    grid: Geometry
    times: Phase
    sent: CineMask
    phase: int | None  # which one it is; None: it is all of them

    def by_phase(self) -> dict[int, Mask]:
        """What was sent, without phases in which nothing is marked; one that was named is never left out."""
        if self.phase is not None:
            return {self.phase: self.sent.phases[0]}
        marked = self.sent.marked or (0,)
        return {phase: self.sent.phases[phase] for phase in marked}

    def whole(self, stored: Path | None) -> CineMask:
        """All phases, with those of the stored label where nothing was sent for them."""
        if self.phase is None:
            return CineMask(self.sent.phases, self.times.step_s)
        kept = CineMask.empty(self.grid, self.times.count, self.times.step_s)
        if stored is not None and stored.is_file():
            try:
                kept = read_cine_mask(stored, self.grid, self.times.count)
            except VolumeError:  # the image was another one then
                pass
            if len(kept.phases) != self.times.count:
                kept = CineMask.empty(self.grid, self.times.count, self.times.step_s)
        return kept.with_phase(self.phase, self.sent.phases[0])

    @contextmanager
    def file(self, stored: Path | None) -> Iterator[tuple[Path, dict[str, Any]]]:
        """The file to store, and what is recorded about it."""
        whole = self.whole(stored)
        facts = {"phases": self.times.count, "labelled_phases": list(whole.marked)}
        with tempfile.TemporaryDirectory(prefix="samlabel-") as folder:
            yield write_cine_mask(whole, Path(folder) / "label.nii.gz"), facts


def require_phases(
    file: Path, grid: Geometry, times: Phase | None, info: Mapping[str, Any]
) -> tuple[CineMask, LabelInTime | None]:
    """The label map that was sent, and how it fits an image in time; refused where it does not."""
    phase, count = phase_number(info.get("phase")), 1 if times is None else times.count
    sent = read_upload(lambda path: read_cine_mask(path, grid, count), file, "label")
    if times is None:
        if phase is not None:
            raise PromptError("the image has no phases in time: leave phase out", "phase")
        return sent, None
    if len(sent.phases) > 1 and phase is not None:
        raise PromptError("the label holds all phases of the image: leave phase out", "phase")
    if phase is not None and phase >= count:
        raise PromptError(f"phase must be from 0 to {count - 1}, got {phase}", "phase")
    return sent, LabelInTime(grid, times, sent, None if len(sent.phases) > 1 else phase or 0)
