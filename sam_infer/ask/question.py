"""The questions that can be asked about an image: one object on a slice, one or several in 3D, labels without a prompt.

A question says everything that decides its answer but the image and the network. It is checked when it is made, as far
as that can be done without them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from sam_infer.automatic.modes import BEST, MODES, ModeOptions
from sam_infer.errors import PromptError
from sam_infer.imaging.volume import Mask
from sam_infer.prompts.object_prompts import Box, Prompts
from sam_infer.propagation.options import VolumeOptions
from sam_infer.slices.predictor import Options

# Modes that look at a prior.
WITH_PRIOR = ("grid", BEST)


@dataclass(frozen=True, eq=False)
class SliceQuestion:
    """Which pixels of slice `index` belong to the object that the prompts mean."""

    prompts: Prompts
    index: int
    options: Options = field(default_factory=Options)


@dataclass(frozen=True, eq=False)
class ObjectQuestion:
    """Which voxels belong to the object that prompts on one or several slices mean."""

    prompts: Prompts
    options: VolumeOptions = field(default_factory=VolumeOptions)


@dataclass(frozen=True, eq=False)
class CineQuestion:
    """The same in all phases of a cine; the prompts are on one of them."""

    prompts: Prompts
    phase: int
    along: str  # see `sam_infer/phases/in_time.py`
    options: VolumeOptions = field(default_factory=VolumeOptions)


@dataclass(frozen=True, eq=False)
class ObjectsQuestion:
    """The same for several labels at once; a label's value is its place in `prompts`, from 1."""

    prompts: Mapping[str, Prompts]
    options: VolumeOptions = field(default_factory=VolumeOptions)


@dataclass(frozen=True, eq=False)
class LabelQuestion:
    """Where labels are on slices across `axis`, without a prompt; values are places in `labels`, from 1."""

    mode: str
    axis: int
    slices: range
    labels: Sequence[str]
    start: int | None = None  # the slice that is meant, or where a volume begins; None: the middle one
    window: str = "auto"
    limit: Box | None = None
    prior: Mask | None = None  # `grid`: where the labels should be, `best`: on the slice beside; values as here
    wanted: Sequence[str] | None = None  # `semantic`: the labels that are asked for; None: all that were learned
    how: ModeOptions = field(default_factory=ModeOptions)

    def __post_init__(self) -> None:
        if self.mode not in MODES:
            raise PromptError(f"mode must be one of {', '.join(MODES)}, got {self.mode!r}", "mode")
        if self.prior is not None and self.mode not in WITH_PRIOR:
            raise PromptError(f"mode {self.mode} takes no prior: use mode grid, or leave the prior out", "prior")

    @property
    def first(self) -> int:
        """The slice to begin with."""
        return self.start if self.start is not None else self.slices[len(self.slices) // 2]


@dataclass(frozen=True, eq=False)
class SeededQuestion:
    """Where the object is that accepted cases show as `value`; slices run across `axis`."""

    label: str
    value: int
    axis: int = 2
    limit: Box | None = None
    options: VolumeOptions = field(default_factory=VolumeOptions)


Question = SliceQuestion | ObjectQuestion | ObjectsQuestion | LabelQuestion | SeededQuestion
