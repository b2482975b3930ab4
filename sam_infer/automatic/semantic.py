"""Semantic segmentation without a prompt: every pixel gets its likeliest label.

The serving adapter brings along what names labels: a head that looks at the network's embedding, or a U-Net; the gate
chose one of the two when the adapter was trained.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from sam_infer.arrays import Float32Array, UInt8Array
from sam_infer.automatic.label_search import LabelMap, LabelSearch
from sam_infer.errors import PromptError
from sam_infer.imaging.slice_view import SliceView
from sam_infer.imaging.volume import Mask, Volume
from sam_infer.imaging.window import choose_window
from sam_infer.networks.backbone import upscale_logits
from sam_infer.networks.frame import Frame, resize_pixels, whole
from sam_infer.networks.naming.label_namer import LabelNamer
from sam_infer.networks.naming.semantic_head import picture_of
from sam_infer.slices.predictor import Predictor
from sam_infer.weights.available import SHOWN_DIGITS

# Labels whose logits are held at full size at once: a large slice with a hundred labels would fill the memory.
AT_ONCE = 8


def semantic_labels(search: LabelSearch, wanted: Sequence[str] | None = None) -> LabelMap:
    """The wanted labels on the search's slices; by default all of the search's that the head has learned.

    All learned labels compete for a pixel, whether they are wanted or not: what is surely spleen is no kidney.
    """
    head = require_head(search.predictor)
    names = _known(search, head, wanted)
    mask, found = Mask.empty(search.volume.geometry), {name: _Found() for name in names}
    search.job.expected(len(search.slices))
    answers = search.job.kept((k, search.job.slice(partial(_on_slice, search, k))) for k in search.slices)
    for index, (number, logit) in answers:
        view = search.view(index)
        pixels, allowed = view.extract(mask.array), search.allowed(view)
        for name in names:
            here = (number == head.labels.index(name) + 1) & allowed
            pixels[here] = search.labels.index(name) + 1
            found[name].add(logit[here])
    scores = {name: seen.score for name, seen in found.items() if seen.count}
    notes = _notes("not found", [name for name in names if name not in scores])
    if wanted is None:
        notes += _notes("not learned yet", [name for name in search.labels if name not in head.labels])
    found_notes = notes if scores else (*search.empty.notes, *notes)
    return LabelMap(mask, scores, found_notes, answers.whole)


def require_head(predictor: Predictor) -> LabelNamer:
    """What names labels without a prompt here, or a sentence on how to get one."""
    if predictor.semantic is None:
        raise PromptError(
            f"the network that serves (adapter: {predictor.adapter[:SHOWN_DIGITS]}) has learned no labels: accept "
            "some, train (`samlabel train`, or Train in the viewer) and promote the adapter, or use another mode",
            "mode",
        )
    return predictor.semantic


def answer_on(
    predictor: Predictor, volume: Volume, view: SliceView, window: str = "auto"
) -> tuple[UInt8Array, Float32Array]:
    """On one slice (H, W): the number of the head's likeliest label, from 1, or 0 for none; and its logit."""
    head, shown = require_head(predictor), choose_window(volume, window)
    frame = predictor.backbone.frame(whole(view.height, view.width), view.pixel_mm)
    features = predictor.features(volume, view, shown, frame) if head.sees_features else {}
    pixels = resize_pixels(shown.apply(frame.cut(volume.pixels(view))), frame)
    return likeliest_label(head.answer(picture_of(pixels, frame.input_size), features), frame)


def likeliest_label(logits: Float32Array, frame: Frame) -> tuple[UInt8Array, Float32Array]:
    """Logits (L, l, l) of a frame as number and logit (H, W) of the surest label; number 0 where none is likely."""
    shape = (frame.crop.height, frame.crop.width)
    number, best = np.zeros(shape, np.uint8), np.zeros(shape, np.float32)
    for start in range(0, len(logits), AT_ONCE):
        full = upscale_logits(logits[start : start + AT_ONCE], frame)
        surest, where = full.max(axis=0), full.argmax(axis=0)
        number = np.where(surest > best, where + start + 1, number).astype(np.uint8)
        best = np.maximum(best, surest)
    return number, best


@dataclass
class _Found:
    """What was found of one label: pixels, and the sum of their probabilities."""

    count: int = 0
    total: float = 0.0

    def add(self, logits: Float32Array) -> None:
        self.count += logits.size
        self.total += float((1 / (1 + np.exp(-logits))).sum())

    @property
    def score(self) -> float:
        return self.total / self.count


def _on_slice(search: LabelSearch, index: int) -> tuple[UInt8Array, Float32Array]:
    return answer_on(search.predictor, search.volume, search.view(index), search.window)


def _known(search: LabelSearch, head: LabelNamer, wanted: Sequence[str] | None) -> list[str]:
    """The labels to draw; one that was asked for by name must have been learned."""
    names = [name for name in search.labels if name in (head.labels if wanted is None else wanted)]
    strange = [name for name in names if name not in head.labels]
    if strange or not names:
        which = f"has not learned {', '.join(strange)}" if strange else "has learned none of this server's labels"
        shown = ", ".join(head.labels[:12]) + (", ..." if len(head.labels) > 12 else "")
        raise PromptError(
            f"the adapter {search.predictor.adapter[:SHOWN_DIGITS]} {which}, only {shown}: accept labels of it and "
            "train again",
            "label_prompt" if strange else "labels",
        )
    return names


def _notes(what: str, names: Sequence[str]) -> tuple[str, ...]:
    return (f"{what}: {', '.join(names)}",) if names else ()
