"""Detect mode: every instance of each label on every slice; boxes from a trained head, masks from the network.

The only mode for several lesions or cells of one kind. Instances of one label share its value in the label map; how
many there are on the slice with most of them is told beside it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from sam_infer.arrays import BoolArray
from sam_infer.automatic.example import AcceptedCase, others
from sam_infer.automatic.label_search import LabelMap, LabelSearch
from sam_infer.automatic.looks import MOST_TEACHERS, features, taught_key, taught_slices
from sam_infer.automatic.taught.box_head import BoxHead, Found, instances
from sam_infer.automatic.taught.embedded_slice import EmbeddedSlice
from sam_infer.imaging.slice_view import SliceView
from sam_infer.imaging.volume import Mask
from sam_infer.networks.frame import Frame
from sam_infer.prompts.object_prompts import Box, Prompts
from sam_infer.slices.predictor import Options

# The finest grid of middles. Where every object covers some cells of a grid half as fine, that one finds it too, and
# learns in a quarter of the time.
FINEST_SIDE, FEWEST_CELLS = 64, 4

# Below this predicted IoU a drawing does not show what its box was meant for.
LEAST_SCORE = 0.3


def detect_labels(search: LabelSearch, cases: Sequence[AcceptedCase]) -> LabelMap:
    """Instances of the labels of accepted cases, drawn within their boxes; a contested pixel is the surer one's."""
    head = _head(search, others(search.volume, cases)[:MOST_TEACHERS])
    mask = Mask.empty(search.volume.geometry)
    scores: dict[str, list[float]] = {}
    most: dict[str, int] = {}
    search.job.expected(len(search.slices))
    slices = search.job.kept(_slices(search, head))
    for view, drawn in slices:
        counts = Counter(search.labels[found.label] for found, _, _ in drawn)
        most = {name: max(most.get(name, 0), counts[name]) for name in {*most, *counts}}
        for found, pixels, score in sorted(drawn, key=lambda one: one[2]):
            view.extract(mask.array)[pixels] = found.label + 1
            scores.setdefault(search.labels[found.label], []).append(score)
    if not mask.array.any():
        return replace(search.empty, whole=slices.whole)
    means = {name: float(np.mean(scores[name])) for name in search.labels if name in scores}
    return LabelMap(mask, means, (*_told(search, most), *search.missing(means)), slices.whole)


def boxes_on(search: LabelSearch, cases: Sequence[AcceptedCase], index: int, finest: int = FINEST_SIDE) -> list[Found]:
    """The instances on one slice, boxes in pixels of the slice; a coarser grid of middles learns sooner."""
    head = _head(search, others(search.volume, cases)[:MOST_TEACHERS], finest)
    shown, frame = features(search, search.volume, search.view(index))
    return [Found(one.label, _on_slice(one.box, frame), one.score) for one in head.find(shown)]


def _slices(search: LabelSearch, head: BoxHead) -> Iterator[tuple[SliceView, list[tuple[Found, BoolArray, float]]]]:
    for index in search.slices:
        view = search.view(index)
        yield view, list(_drawn(search, head, view))


def _drawn(search: LabelSearch, head: BoxHead, view: SliceView) -> Iterator[tuple[Found, BoolArray, float]]:
    """Each instance on a slice: its pixels (H, W), how sure."""
    shown, frame = features(search, search.volume, view)
    allowed = search.allowed(view)
    job = search.job.uncounted()
    for found in head.find(shown):
        x0, y0, x1, y1 = _on_slice(found.box, frame)
        corners = np.array([[y0, x0], [y1 - 1, x1 - 1]])
        low, high = np.floor(corners[0]), np.ceil(corners[1])
        top = np.clip(low, 0, (view.height - 1, view.width - 1))
        bottom = np.clip(np.maximum(high, low), top, (view.height - 1, view.width - 1))
        stored = np.rint(view.to_stored(np.stack([top, bottom]))).astype(np.int64)
        prompts = Prompts(view.axis, box=Box.of(stored.min(axis=0), stored.max(axis=0)))
        answer = job.slice(
            lambda: search.predictor.predict(search.volume, prompts, view.index, Options(search.window))  # noqa: B023
        )
        pixels = answer.pixels & allowed
        if pixels.any() and answer.score >= LEAST_SCORE:
            yield found, pixels, found.score * answer.score


def _on_slice(box: tuple[float, float, float, float], frame: Frame) -> tuple[float, float, float, float]:
    """A box in model pixels as one in pixels of the slice, outer edges both."""
    sy, sx = frame.scale_yx
    return (
        box[0] / sx + frame.crop.col,
        box[1] / sy + frame.crop.row,
        box[2] / sx + frame.crop.col,
        box[3] / sy + frame.crop.row,
    )


def _head(search: LabelSearch, cases: Sequence[AcceptedCase], finest: int = FINEST_SIDE) -> BoxHead:
    """The box head of accepted cases."""
    finest = min(search.predictor.backbone.low_res, finest)

    def made() -> BoxHead:
        examples = [EmbeddedSlice(taught.features, taught.values) for taught in taught_slices(search, cases)]
        side = _side(examples, len(search.labels), finest)
        return search.job.uncounted().slice(lambda: BoxHead.learned(len(search.labels), side, examples))

    return search.memo.get(taught_key(search, f"box head {finest}", cases), made)


def _side(examples: Sequence[EmbeddedSlice], labels: int, finest: int) -> int:
    """The coarser of two grids on which every object of the examples still covers some cells."""
    boxes = [(box, len(one.values)) for one in examples for _, box in instances(one.values, labels)]
    narrowest = min((min(x1 - x0, y1 - y0) / length for (x0, y0, x1, y1), length in boxes), default=0.0)
    return finest // 2 if narrowest * (finest // 2) >= FEWEST_CELLS else finest


def _told(search: LabelSearch, most: dict[str, int]) -> list[str]:
    """How many instances there are of labels with more than one."""
    return [f"{name}: {most[name]} on one slice" for name in search.labels if most.get(name, 0) > 1]
