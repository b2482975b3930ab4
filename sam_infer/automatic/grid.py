"""Grid mode: everything that clicks bring up on a slice, matched to where each label is expected.

Expected by an earlier label, a warped atlas, or a map learned from accepted cases; where that ends, by the slice
before. `gallery=near` clicks where the label is expected, `full` everywhere: 32 x 32 clicks, once per slice, of which
those that overlap best with what is expected are looked at closely.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

import numpy as np

from sam_infer.arrays import BoolArray
from sam_infer.automatic.full_gallery import FullGallery, clicks_of, full_gallery
from sam_infer.automatic.label_search import LabelMap, LabelSearch
from sam_infer.automatic.looks import clicker, features, uncounted
from sam_infer.automatic.match_prior import LEAST_OVERLAP, LEAST_QUALITY, Match, clicks_near, gallery, match
from sam_infer.automatic.propose import Proposal
from sam_infer.errors import PromptError
from sam_infer.imaging.slice_view import SliceView
from sam_infer.imaging.volume import Mask
from sam_infer.networks.backbone import Features, Hints, downscale_mask
from sam_infer.networks.frame import Frame
from sam_infer.slices.look import full_logits
from sam_infer.slices.predictor import Options

NEAR, FULL = "near", "full"
GALLERIES = (NEAR, FULL)

# A prior on a neighbouring slice counts for this many slices more than where it lies.
NEIGHBOURS = 2

# Of the full gallery's masks those that fit best are drawn finely before one is chosen.
SHORTLIST = 3


def grid_labels(search: LabelSearch, prior: Mask, shown: str = NEAR) -> LabelMap:
    """Everything on each slice, matched to a prior label map (values as the search's).

    From the slice with most of the prior outwards; where a label's prior ends, its mask on the slice before is the
    prior, as long as something fits it.
    """
    prior.require_same_grid(search.volume.geometry, "prior")
    mask = Mask.empty(search.volume.geometry)
    fits: dict[str, list[float]] = {}
    matches = search.job.kept(_matches(search, prior, shown))
    for index, matched in matches:
        for name, found in matched.items():
            search.view(index).extract(mask.array)[found.pixels] = search.labels.index(name) + 1
            fits.setdefault(name, []).append(found.overlap)
    if not mask.array.any():
        return replace(search.empty, whole=matches.whole)
    scores = {name: float(np.mean(fits[name])) for name in search.labels if name in fits}
    return LabelMap(mask, scores, search.missing(scores), matches.whole)


def _matches(search: LabelSearch, prior: Mask, shown: str) -> Iterator[tuple[int, dict[str, Match]]]:
    """What the prior's labels are on every slice, from the one with most of the prior outwards."""
    start = _fullest(search, prior)
    first: dict[str, BoolArray] = {}
    search.job.expected(len(search.slices))
    for run in (range(start, search.slices.stop), range(start - 1, search.slices.start - 1, -1)):
        before = first
        for index in run:
            matched = _matched(
                uncounted(search), index, {**before, **_priors(search, prior, search.view(index))}, shown
            )
            before = {name: found.pixels for name, found in matched.items()}
            first = before if index == start else first
            search.job.progress(1)
            yield index, matched


def _matched(search: LabelSearch, index: int, priors: Mapping[str, BoolArray], shown: str) -> dict[str, Match]:
    """What each prior (H, W) shows on a slice, inside the limit."""
    if not priors:
        return {}
    view = search.view(index)
    proposals = _all_clicks(search, view, priors) if shown == FULL else _near_clicks(search, view, priors)
    allowed = search.allowed(view)
    found = match([replace(proposal, pixels=proposal.pixels & allowed) for proposal in proposals], priors)
    return {name: one for name, one in found.items() if one.pixels.any()}


def _near_clicks(search: LabelSearch, view: SliceView, priors: Mapping[str, BoolArray]) -> list[Proposal]:
    """What clicks on the priors bring up."""
    predict = clicker(search, view.index, Options(search.window, zoom=None))
    return gallery(search.volume, view, predict, clicks_near(view, priors.values()))


def _all_clicks(search: LabelSearch, view: SliceView, priors: Mapping[str, BoolArray]) -> list[Proposal]:
    """Of what clicks everywhere bring up, the masks that fit the priors best, drawn finely."""
    shown, frame = features(search, search.volume, view)
    known = slice_gallery(search, view, shown, frame)
    chosen: dict[int, None] = {}
    for prior in priors.values():
        coarse = downscale_mask(frame.cut(prior.astype(np.float32)), frame, known.side)
        chosen.update(dict.fromkeys(number for number, _ in known.best(coarse, LEAST_OVERLAP / 2)[:SHORTLIST]))
    return [_drawn(search, view, known, number, shown, frame) for number in chosen]


def slice_gallery(search: LabelSearch, view: SliceView, shown: Features, frame: Frame) -> FullGallery:
    """The full gallery of a slice, made once."""
    backbone = search.predictor.backbone
    pixels = search.volume.pixels(view)
    visible = np.asarray((pixels > pixels.min()).any(axis=2) if pixels.ndim == 3 else pixels > pixels.min())
    key = ("gallery", search.volume.digest, view.axis, view.index, search.window, backbone.weights_id)
    job = search.job.uncounted()
    clicks = clicks_of(frame, visible)
    return search.memo.get(key, lambda: full_gallery(backbone, shown, clicks, job, LEAST_QUALITY))


def _drawn(
    search: LabelSearch, view: SliceView, known: FullGallery, number: int, shown: Features, frame: Frame
) -> Proposal:
    """One mask of the gallery on the slice (H, W)."""
    hints = Hints(known.click[number][None], np.ones(1, np.int64))
    answer = search.job.uncounted().slice(lambda: search.predictor.backbone.decode(shown, hints))
    pixels = full_logits(answer.logits[known.candidate[number]], frame, view) > 0
    return Proposal(pixels, float(known.quality[number]))


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
