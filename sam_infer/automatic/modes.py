"""Automatic modes by name and their options; the mode that needs nothing to be known: what stands out on a slice.

    best          each label by the mode that leaves fewest clicks on accepted cases; see `best.py`
    propose       what stands out; regions have an order, not a meaning
    grid          everything on a slice, matched to where labels are expected; see `grid.py`
    selfprompt    maps learned from accepted cases say where; the network draws, and draws again; see `expected.py`
    detect        every instance of each label: boxes, then masks; see `detect.py`
    atlas         accepted cases are laid over this one; the network draws along the warped labels; see `atlas.py`
    semantic      the adapter that serves has learned the labels themselves; see `semantic.py`

Priors and accepted cases are arguments. No mode can reach a label that it was not given.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from sam_infer.arrays import BoolArray
from sam_infer.automatic.atlas import MOST_ATLASES
from sam_infer.automatic.expected import HEADS, MOST_PASSES, RIDGE_MAP
from sam_infer.automatic.grid import GALLERIES, NEAR
from sam_infer.automatic.label_search import LabelMap, LabelSearch
from sam_infer.automatic.looks import clicker, uncounted
from sam_infer.automatic.propose import propose
from sam_infer.errors import PromptError
from sam_infer.imaging.slice_view import SliceView
from sam_infer.imaging.volume import Mask
from sam_infer.prompts.object_prompts import Box, Prompts
from sam_infer.prompts.volume_prompts import VolumePrompts
from sam_infer.propagation.engine import segment_object
from sam_infer.propagation.result import VolumePrediction
from sam_infer.slices.predictor import Options

BEST, DETECT, PROPOSE, SEMANTIC = "best", "detect", "propose", "semantic"
MODES = (BEST, PROPOSE, "grid", "selfprompt", DETECT, "atlas", SEMANTIC)

# Where `grid` expects labels when it is given no prior.
ATLAS_PRIOR, MAP_PRIOR = "atlas", "map"
PRIORS = (ATLAS_PRIOR, MAP_PRIOR)


@dataclass(frozen=True)
class ModeOptions:
    """How a mode goes about it; each mode reads its own."""

    gallery: str = NEAR  # grid: clicks where a label is expected, or everywhere
    expects: str = ATLAS_PRIOR  # grid: without a prior, by a warped atlas or by a learned map
    heads: str = RIDGE_MAP  # selfprompt: the map in closed form, or trained heads
    passes: int = MOST_PASSES  # selfprompt: the second draws around what the first one drew
    atlases: int = 1  # atlas: accepted cases that vote

    def __post_init__(self) -> None:
        for name, value, known in (
            ("gallery", self.gallery, GALLERIES),
            ("expects", self.expects, PRIORS),
            ("heads", self.heads, HEADS),
        ):
            if value not in known:
                raise PromptError(f"{name} must be one of {', '.join(known)}, got {str(value)[:40]!r}", name)
        for name, number, most in (("passes", self.passes, MOST_PASSES), ("atlases", self.atlases, MOST_ATLASES)):
            if isinstance(number, bool) or number not in range(1, most + 1):
                raise PromptError(f"{name} must be a whole number from 1 to {most}, got {str(number)[:40]!r}", name)


def propose_labels(search: LabelSearch, start: int) -> LabelMap:
    """The surest regions of slice `start`, in the order of the labels, each followed over the other slices."""
    view = search.view(start)
    options = Options(search.window, zoom=None)
    click = clicker(uncounted(search), start, options)
    regions = propose(search.volume, view, len(search.labels), click)
    regions = [region for region in regions if (region.pixels & search.allowed(view)).any()]
    search.job.expected(len(regions) * len(search.slices))
    followed = search.job.kept(_followed(search, view, region.pixels) for region in regions)
    found = list(followed)
    drawn = {
        value: {k: answer for k, answer in one.answers.items() if k in search.slices}
        for value, one in enumerate(found, 1)
    }
    return replace(search.settled(drawn), whole=followed.whole and all(one.whole for one in found))


def propose_on_slice(search: LabelSearch, index: int) -> LabelMap:
    """The surest regions of one slice, in the order of the labels."""
    view = search.view(index)
    options = Options(search.window, zoom=None)
    regions = propose(search.volume, view, len(search.labels), clicker(search, index, options))
    mask, scores = Mask.empty(search.volume.geometry), {}
    for value, region in enumerate(regions, 1):
        pixels = region.pixels & search.allowed(view)
        view.extract(mask.array)[pixels] = value
        scores[search.labels[value - 1]] = region.quality
    return LabelMap(mask, scores, search.missing(scores)) if mask.array.any() else search.empty


def _followed(search: LabelSearch, view: SliceView, pixels: BoolArray) -> VolumePrediction:
    """A region (H, W) of a slice over the other slices."""
    said = VolumePrompts(search.axis, {view.index: _around(search, view, pixels)}, {}, search.limit)
    job = replace(search.job, expected=search.job.uncounted().expected)
    return segment_object(search.predictor, search.volume, said, job=job)


def _around(search: LabelSearch, view: SliceView, pixels: BoolArray) -> Prompts:
    """A region (H, W) as box and mask prompt."""
    prior = Mask.empty(search.volume.geometry)
    view.insert(prior.array, (pixels & search.allowed(view)).astype(np.uint8))
    voxels = np.argwhere(prior.array)
    return Prompts(search.axis, box=Box.of(voxels.min(axis=0), voxels.max(axis=0)), mask=prior)
