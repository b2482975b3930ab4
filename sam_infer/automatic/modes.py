"""Automatic modes: proposals, grid, self-prompting, coarse maps, atlas registration; with and without earlier cases.

    propose       what stands out; regions have an order, not a meaning
    grid          everything on a slice, matched to a prior: an earlier label, the slice before, a warped atlas
    selfprompt    a coarse map learned from accepted cases says where; the network draws, and draws again
    atlas         the accepted case most like this one is laid over it; the network draws along the warped labels
    semantic      the adapter that serves has learned the labels themselves; see `semantic.py`

Priors and accepted cases are arguments. No mode can reach a label that it was not given.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np

from sam_infer.arrays import BoolArray, Float32Array
from sam_infer.automatic.coarse_map import CoarseMap, Lesson, in_frame, likeliest, places
from sam_infer.automatic.example import AcceptedCase, others
from sam_infer.automatic.label_search import LabelMap, LabelSearch
from sam_infer.automatic.match_prior import Match, clicks_near, gallery, match
from sam_infer.automatic.propose import propose
from sam_infer.automatic.registration import prepare, register
from sam_infer.errors import PromptError
from sam_infer.imaging.body_centre import body_centre
from sam_infer.imaging.slice_view import SliceView
from sam_infer.imaging.volume import Mask, Volume
from sam_infer.imaging.window import choose_window
from sam_infer.networks.backbone import Features, upscale_logits
from sam_infer.networks.frame import Frame, whole
from sam_infer.prompts.object_prompts import Box, Prompts
from sam_infer.prompts.volume_prompts import VolumePrompts
from sam_infer.propagation.engine import segment_object
from sam_infer.propagation.result import VolumePrediction
from sam_infer.slices.predictor import Options, Prediction

SEMANTIC = "semantic"
MODES = ("propose", "grid", "selfprompt", "atlas", SEMANTIC)

# A prior on a neighbouring slice counts for this many slices more than where it lies.
NEIGHBOURS = 2

# So many slices of so many accepted cases teach the coarse map: more say the same again.
SLICES_PER_CASE, MOST_TEACHERS = 24, 6

# Slices beyond the labels that say what is none of them, and the finest grid of a coarse map.
BEYOND, COARSE_SIDE = 2, 64

# A coarse map is seen through the first pass; the second draws around what the first one drew.
SELFPROMPT_PASSES = 2


def propose_labels(search: LabelSearch, start: int) -> LabelMap:
    """The surest regions of slice `start`, in the order of the labels, each followed over the other slices."""
    view = search.view(start)
    options = Options(search.window, zoom=None)
    clicker = _clicker(_uncounted(search), start, options)
    regions = propose(search.volume, view, len(search.labels), clicker)
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
    regions = propose(search.volume, view, len(search.labels), _clicker(search, index, options))
    mask, scores = Mask.empty(search.volume.geometry), {}
    for value, region in enumerate(regions, 1):
        pixels = region.pixels & search.allowed(view)
        view.extract(mask.array)[pixels] = value
        scores[search.labels[value - 1]] = region.quality
    return LabelMap(mask, scores, search.missing(scores)) if mask.array.any() else search.empty


def grid_labels(search: LabelSearch, prior: Mask) -> LabelMap:
    """Everything on each slice, matched to a prior label map (values as the search's).

    From the slice with most of the prior outwards; where a label's prior ends, its mask on the slice before is the
    prior, as long as something fits it.
    """
    prior.require_same_grid(search.volume.geometry, "prior")
    mask = Mask.empty(search.volume.geometry)
    fits: dict[str, list[float]] = {}
    matches = search.job.kept(_matches(search, prior))
    for index, matched in matches:
        for name, found in matched.items():
            search.view(index).extract(mask.array)[found.pixels] = search.labels.index(name) + 1
            fits.setdefault(name, []).append(found.overlap)
    if not mask.array.any():
        return replace(search.empty, whole=matches.whole)
    scores = {name: float(np.mean(fits[name])) for name in search.labels if name in fits}
    return LabelMap(mask, scores, search.missing(scores), matches.whole)


def selfprompt_labels(search: LabelSearch, cases: Sequence[AcceptedCase]) -> LabelMap:
    """A coarse map of accepted cases on every slice; its pieces in 3D become box and mask prompts, two passes."""
    maps, frames = coarse_maps(search, cases)
    pieces = likeliest(np.stack(maps, axis=1))
    expected = Mask.empty(search.volume.geometry)
    for number, index in enumerate(search.slices):
        shown = upscale_logits(np.stack([piece[number] for piece in pieces]).astype(np.float32), frames[number]) > 0.5
        pixels = search.view(index).extract(expected.array)
        for value, piece in enumerate(shown, 1):
            pixels[piece] = value
    return search.draw(expected, SELFPROMPT_PASSES)


def coarse_maps(search: LabelSearch, cases: Sequence[AcceptedCase]) -> tuple[list[Float32Array], list[Frame]]:
    """Where accepted cases expect each label on the search's slices, (labels, l, l), and the frames of these maps."""
    coarse = _learned(search, others(search.volume, cases)[:MOST_TEACHERS])
    centre = body_centre(search.volume)
    search.job.expected(len(search.slices))
    maps, frames = [], []
    for index in search.slices:
        view = search.view(index)
        features, frame = _features(search, search.volume, view)
        maps.append(coarse.of(features, places(view, frame, search.volume.geometry, centre, coarse.side)))
        frames.append(frame)
    return maps, frames


def atlas_labels(search: LabelSearch, cases: Sequence[AcceptedCase]) -> LabelMap:
    """The labels of the accepted case most like this one, warped; box and mask of each slice are the prompt."""
    return search.draw(warped_labels(search, cases))


def warped_labels(search: LabelSearch, cases: Sequence[AcceptedCase]) -> Mask:
    """The labels of the accepted case most like this volume, laid over it."""
    nearest = others(search.volume, cases)[0]
    prepare()
    found = search.memo.get(
        ("registration", search.volume.digest, nearest.volume.digest),
        lambda: search.job.uncounted().slice(lambda: register(search.volume, nearest.volume)),
    )
    return found.warp(nearest.labels)


def _learned(search: LabelSearch, cases: Sequence[AcceptedCase]) -> CoarseMap:
    """The coarse map of accepted cases, on slices of the same plane; their order changes nothing."""
    cases = sorted(cases, key=lambda case: case.digest)
    backbone = search.predictor.backbone
    side = min(backbone.low_res, COARSE_SIDE)
    world = search.volume.geometry.world_axes[search.axis][0]

    def lessons() -> Iterator[Lesson]:
        for case in cases:
            centre, geometry = body_centre(case.volume), case.volume.geometry
            axis = [w for w, _ in geometry.world_axes].index(world)
            chosen = _spread(case.labels, axis)
            search.job.expected(len(chosen))
            for index in chosen:
                view = case.volume.view(axis, index)
                features, frame = _features(search, case.volume, view)
                values = in_frame(view.extract(case.labels.array), frame)
                yield Lesson(features, values, places(view, frame, geometry, centre, side))

    key = ("coarse map", backbone.encoder_id, world, search.window, len(search.labels), *(c.digest for c in cases))
    return search.memo.get(key, lambda: CoarseMap.learned(len(search.labels), side, lessons))


def _uncounted(search: LabelSearch) -> LabelSearch:
    """The same search for work that is less or more than one of its slices."""
    return replace(search, job=search.job.uncounted())


def _followed(search: LabelSearch, view: SliceView, pixels: BoolArray) -> VolumePrediction:
    """A region (H, W) of a slice over the other slices."""
    said = VolumePrompts(search.axis, {view.index: _around(search, view, pixels)}, {}, search.limit)
    job = replace(search.job, expected=search.job.uncounted().expected)
    return segment_object(search.predictor, search.volume, said, job=job)


def _matches(search: LabelSearch, prior: Mask) -> Iterator[tuple[int, dict[str, Match]]]:
    """What the prior's labels are on every slice, from the one with most of the prior outwards."""
    start = _fullest(search, prior)
    first: dict[str, BoolArray] = {}
    search.job.expected(len(search.slices))
    for run in (range(start, search.slices.stop), range(start - 1, search.slices.start - 1, -1)):
        before = first
        for index in run:
            matched = _matched(_uncounted(search), index, {**before, **_priors(search, prior, search.view(index))})
            before = {name: found.pixels for name, found in matched.items()}
            first = before if index == start else first
            search.job.progress(1)
            yield index, matched


def _clicker(search: LabelSearch, index: int, options: Options) -> Callable[[Prompts], Prediction]:
    def predict(prompts: Prompts) -> Prediction:
        """One click; each is a job of its own, so that a reader's click need not wait for all of them."""
        return search.job.slice(lambda: search.predictor.predict(search.volume, prompts, index, options))

    return predict


def _around(search: LabelSearch, view: SliceView, pixels: BoolArray) -> Prompts:
    """A region (H, W) as box and mask prompt."""
    prior = Mask.empty(search.volume.geometry)
    view.insert(prior.array, (pixels & search.allowed(view)).astype(np.uint8))
    voxels = np.argwhere(prior.array)
    return Prompts(search.axis, box=Box.of(voxels.min(axis=0), voxels.max(axis=0)), mask=prior)


def _features(search: LabelSearch, volume: Volume, view: SliceView) -> tuple[Features, Frame]:
    """The whole slice as the network sees it."""
    window = choose_window(volume, search.window)
    frame = search.predictor.backbone.frame(whole(view.height, view.width), view.pixel_mm)
    return search.job.slice(lambda: search.predictor.features(volume, view, window, frame)), frame


def _spread(labels: Mask, axis: int) -> list[int]:
    """Slices of an accepted case to learn from: those with labels, and some beyond where there are none."""
    across = tuple(a for a in range(3) if a != axis)
    filled = np.flatnonzero(labels.array.any(axis=across))
    if not len(filled):
        return []
    low, high = max(int(filled[0]) - BEYOND, 0), min(int(filled[-1]) + BEYOND, labels.array.shape[axis] - 1)
    count = min(SLICES_PER_CASE, high - low + 1)
    return sorted({round(k) for k in np.linspace(low, high, count)})


def _matched(search: LabelSearch, index: int, priors: Mapping[str, BoolArray]) -> dict[str, Match]:
    """What each prior (H, W) shows on a slice, inside the limit."""
    if not priors:
        return {}
    view = search.view(index)
    predict = _clicker(search, index, Options(search.window, zoom=None))
    shown = gallery(search.volume, view, predict, clicks_near(view, priors.values()))
    allowed = search.allowed(view)
    found = match([replace(proposal, pixels=proposal.pixels & allowed) for proposal in shown], priors)
    return {name: one for name, one in found.items() if one.pixels.any()}


def _priors(search: LabelSearch, prior: Mask, view: SliceView) -> dict[str, BoolArray]:
    """Where each label should be on a slice (H, W): its prior there, else on the nearest of the neighbours."""
    found = {}
    shown = {k: search.view(k).extract(prior.array) for k in _near(search, view.index)}
    allowed = search.allowed(view)
    for value, name in enumerate(search.labels, 1):
        here = next((pixels == value for pixels in shown.values() if (pixels == value).any()), None)
        if here is not None and (here & allowed).any():
            found[name] = here & allowed
    return found


def _near(search: LabelSearch, index: int) -> Iterable[int]:
    length = search.volume.geometry.shape[search.axis]
    distances = [0] if len(search.slices) > 1 else [d for n in range(NEIGHBOURS + 1) for d in (n, -n)]
    return [index + d for d in dict.fromkeys(distances) if 0 <= index + d < length]


def _fullest(search: LabelSearch, prior: Mask) -> int:
    """The slice with most of the prior."""
    areas = [int(np.count_nonzero(search.view(k).extract(prior.array))) for k in search.slices]
    if not any(areas) and len(areas) > 1:
        raise PromptError("the prior is empty on these slices: there is nothing to match", "prior")
    return search.slices[int(np.argmax(areas))]
