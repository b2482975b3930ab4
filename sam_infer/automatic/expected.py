"""Maps of where accepted cases expect each label, and the mode that prompts the network with them.

Two kinds of maps: ridge regression in closed form on looks and places (`coarse_map.py`), and trained heads at four
scales of the embedding, which know looks only (`self_prompt.py`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from sam_infer.arrays import BoolArray, Float32Array
from sam_infer.automatic.example import AcceptedCase, others
from sam_infer.automatic.label_search import LabelMap, LabelSearch
from sam_infer.automatic.looks import MOST_TEACHERS, features, taught_key, taught_slices
from sam_infer.automatic.taught.coarse_map import CoarseMap, Lesson, likeliest, places
from sam_infer.automatic.taught.embedded_slice import EmbeddedSlice
from sam_infer.automatic.taught.self_prompt import SelfPrompt, surely
from sam_infer.imaging.body_centre import body_centre
from sam_infer.imaging.volume import Mask
from sam_infer.networks.backbone import upscale_logits
from sam_infer.networks.frame import Frame

RIDGE_MAP, TRAINED = "ridge", "trained"
HEADS = (RIDGE_MAP, TRAINED)

# A coarse map is seen through the first pass; the second draws around what the first one drew.
MOST_PASSES = 2

# The finest grid of a coarse map.
COARSE_SIDE = 64


def selfprompt_labels(
    search: LabelSearch, cases: Sequence[AcceptedCase], heads: str = RIDGE_MAP, passes: int = MOST_PASSES
) -> LabelMap:
    """Maps of accepted cases on every slice; their pieces become box and mask prompts."""
    return search.draw(expected_labels(search, cases, heads), passes)


def expected_labels(search: LabelSearch, cases: Sequence[AcceptedCase], heads: str = RIDGE_MAP) -> Mask:
    """Where accepted cases expect the labels, as a label map; of the ridge map pieces that are connected in 3D."""
    if heads == TRAINED:
        maps, frames = trained_maps(search, cases)
        pieces = [list(found) for found in zip(*(surely(one) for one in maps), strict=True)]
    else:
        maps, frames = coarse_maps(search, cases)
        pieces = [list(piece) for piece in likeliest(np.stack(maps, axis=1))]
    return _painted(search, pieces, frames)


def coarse_maps(search: LabelSearch, cases: Sequence[AcceptedCase]) -> tuple[list[Float32Array], list[Frame]]:
    """Where accepted cases expect each label on the search's slices, (labels, l, l), and the frames of these maps."""
    coarse = _learned(search, others(search.volume, cases)[:MOST_TEACHERS])
    centre = body_centre(search.volume)
    search.job.expected(len(search.slices))
    maps, frames = [], []
    for index in search.slices:
        view = search.view(index)
        shown, frame = features(search, search.volume, view)
        maps.append(coarse.of(shown, places(view, frame, search.volume.geometry, centre, coarse.side)))
        frames.append(frame)
    return maps, frames


def trained_maps(search: LabelSearch, cases: Sequence[AcceptedCase]) -> tuple[list[Float32Array], list[Frame]]:
    """Probabilities of each label on the search's slices, (labels, l, l), and the frames of these maps."""
    heads = _trained(search, others(search.volume, cases)[:MOST_TEACHERS])
    search.job.expected(len(search.slices))
    maps, frames = [], []
    for index in search.slices:
        shown, frame = features(search, search.volume, search.view(index))
        maps.append(heads.of(shown))
        frames.append(frame)
    return maps, frames


def _painted(search: LabelSearch, pieces: Sequence[Sequence[BoolArray]], frames: Sequence[Frame]) -> Mask:
    """Pieces (l, l) by label and slice as a label map of the image."""
    expected = Mask.empty(search.volume.geometry)
    for number, index in enumerate(search.slices):
        shown = upscale_logits(np.stack([piece[number] for piece in pieces]).astype(np.float32), frames[number]) > 0.5
        pixels = search.view(index).extract(expected.array)
        for value, piece in enumerate(shown, 1):
            pixels[piece] = value
    return expected


def _learned(search: LabelSearch, cases: Sequence[AcceptedCase]) -> CoarseMap:
    """The coarse map of accepted cases."""
    side = min(search.predictor.backbone.low_res, COARSE_SIDE)

    def lessons() -> Iterator[Lesson]:
        for taught in taught_slices(search, cases):
            geometry, centre = taught.case.volume.geometry, body_centre(taught.case.volume)
            yield Lesson(taught.features, taught.values, places(taught.view, taught.frame, geometry, centre, side))

    key = taught_key(search, "coarse map", cases)
    return search.memo.get(key, lambda: CoarseMap.learned(len(search.labels), side, lessons))


def _trained(search: LabelSearch, cases: Sequence[AcceptedCase]) -> SelfPrompt:
    """The heads of accepted cases."""
    side = min(search.predictor.backbone.low_res, COARSE_SIDE)

    def made() -> SelfPrompt:
        lessons = [EmbeddedSlice(taught.features, taught.values) for taught in taught_slices(search, cases)]
        low_res = search.predictor.backbone.low_res
        return search.job.uncounted().slice(lambda: SelfPrompt.learned(len(search.labels), side, low_res, lessons))

    return search.memo.get(taught_key(search, "self prompt", cases), made)
