"""Test-time augmentation: asks about the same object with other prompts, changed pictures, or earlier adapters.

The mask in question says where to look: its box decides the crop, so padding around the patient changes nothing. The
slice is encoded once, and mostly was before; only changed pictures and other encoders cost more.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace

import numpy as np

from sam_infer.arrays import BoolArray, Float32Array, Float64Array
from sam_infer.imaging.slice_view import SliceView
from sam_infer.imaging.volume import Volume
from sam_infer.imaging.window import Window
from sam_infer.networks.backbone import Candidates, Features, Hints, downscale_mask, upscale_logits
from sam_infer.networks.frame import Frame, resize_pixels, whole
from sam_infer.networks.naming.label_namer import LabelNamer
from sam_infer.networks.naming.semantic_head import picture_of
from sam_infer.propagation.step import deepest
from sam_infer.slices.crop import ZoomPolicy, crop_around
from sam_infer.slices.look import PRIOR_LOGIT
from sam_infer.slices.predictor import Predictor
from sam_infer.slices.slice_stack import slice_stack
from sam_infer.uncertainty.calibration import UNCALIBRATED, Calibration
from sam_infer.uncertainty.measures import ADAPTERS, PROMPTS, SEMANTIC, VIEWS, Evidence, sigmoid

# Boxes whose edges are moved by this share of their side, the way a reader draws them: wider and tighter.
JITTER = 0.1
JITTERED = ((-1, -1, 1, 1), (1, 1, -1, -1))

# Grey curves: darker and brighter middles.
GAMMAS = (0.8, 1.25)


@dataclass(frozen=True, eq=False)
class Probe:
    """Looks at one volume under one window; `kinds` says which looks are wanted."""

    predictor: Predictor
    volume: Volume
    window: Window
    kinds: Collection[str] = (PROMPTS,)
    earlier: Sequence[Predictor] = ()  # of the last adapters, for kind `adapters`
    calibration: Calibration = UNCALIBRATED

    def at(self, view: SliceView, mask: BoolArray, label: str = "") -> Evidence:
        """What is said about a mask (H, W) of this slice; it must not be empty. A semantic head is asked by name."""
        frame, low, high = self._frame(view, mask)
        backbone = self.predictor.backbone
        features = self.predictor.features(self.volume, view, self.window, frame)
        drawn = downscale_mask(frame.cut(mask).astype(np.float32), frame, backbone.low_res)
        box = Hints(np.zeros((0, 2), np.float32), np.zeros(0, np.int64), frame.box_to_model(low, high))
        answer = backbone.decode(features, box)
        looks: dict[str, Float64Array] = {}
        if PROMPTS in self.kinds:
            said = [*self._boxes(frame, low, high), self._point(frame, mask), _fed_back(box, drawn)]
            looks[PROMPTS] = self._asked(lambda hints: backbone.decode(features, hints), said)
        if VIEWS in self.kinds:
            looks[VIEWS] = self._changed(view, frame, box)
        if ADAPTERS in self.kinds:
            looks[ADAPTERS] = np.stack(
                [self._asked(self._of(other, view, frame), [box])[0] for other in (self.predictor, *self.earlier)]
            )
        head = self.predictor.semantic
        if SEMANTIC in self.kinds and head is not None and label in head.labels:
            looks[SEMANTIC] = self._unprompted(view, frame, head, head.labels.index(label))
        pixel_mm = _low_pixel_mm(frame, view, backbone.low_res)
        logits = answer.logits.astype(np.float64) / self.calibration.temperature
        scores = self.calibration.quality(answer.scores.astype(np.float64))
        return Evidence(logits, scores, answer.preferred, drawn.astype(np.float64), pixel_mm, looks)

    def frame(self, view: SliceView, mask: BoolArray) -> Frame:
        """The part of the slice that `at` looks at for a mask (H, W)."""
        return self._frame(view, mask)[0]

    def _frame(self, view: SliceView, mask: BoolArray) -> tuple[Frame, Float64Array, Float64Array]:
        rows, cols = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
        low, high = np.array([rows[0], cols[0]], np.float64), np.array([rows[-1], cols[-1]], np.float64)
        shape = (view.height, view.width)
        crop = crop_around(low, high, shape, view.pixel_mm, ZoomPolicy()) or whole(*shape)
        return self.predictor.backbone.frame(crop, view.pixel_mm), low, high

    def _asked(self, decode: Callable[[Hints], Candidates], hints: Sequence[Hints]) -> Float64Array:
        """Probabilities (n, l, l) of the preferred answers."""
        answers = [decode(said) for said in hints]
        return np.stack([sigmoid(one.logits[one.preferred] / self.calibration.temperature) for one in answers])

    def _boxes(self, frame: Frame, low: Float64Array, high: Float64Array) -> list[Hints]:
        side = (high - low + 1) * JITTER
        moved = [(low + side * np.array(by[:2]), high + side * np.array(by[2:])) for by in JITTERED]
        none, labels = np.zeros((0, 2), np.float32), np.zeros(0, np.int64)
        return [Hints(none, labels, frame.box_to_model(a, np.maximum(b, a))) for a, b in moved]

    def _point(self, frame: Frame, mask: BoolArray) -> Hints:
        return Hints(frame.points_to_model(deepest(mask)), np.ones(1, np.int64))

    def _changed(self, view: SliceView, frame: Frame, box: Hints) -> Float64Array:
        """The box on a mirrored picture and under other grey curves, mirrored back."""
        backbone = self.predictor.backbone
        shown = slice_stack(self.volume, view, self.window, frame, backbone.depth)
        found = []
        for gamma in GAMMAS:
            curved = np.rint(255.0 * (shown / 255.0) ** gamma).astype(np.uint8)
            answer = backbone.decode(backbone.encode(curved), box)
            found.append(sigmoid(answer.logits[answer.preferred] / self.calibration.temperature))
        answer = backbone.decode(backbone.encode(np.ascontiguousarray(shown[:, :, ::-1])), _mirrored(box, frame))
        probability = sigmoid(answer.logits[answer.preferred] / self.calibration.temperature)
        used = max(1, round(backbone.low_res * frame.input_width / frame.input_size))
        back = np.zeros_like(probability)
        back[:, :used] = probability[:, used - 1 :: -1] if used < backbone.low_res else probability[:, ::-1]
        return np.stack([*found, back])

    def _unprompted(self, view: SliceView, frame: Frame, head: LabelNamer, number: int) -> Float64Array:
        """The probability of one label, of the head that saw the whole slice."""
        shape, low_res = (view.height, view.width), self.predictor.backbone.low_res
        seen = self.predictor.backbone.frame(whole(*shape), view.pixel_mm)
        features = self.predictor.features(self.volume, view, self.window, seen) if head.sees_features else {}
        pixels = resize_pixels(self.window.apply(seen.cut(self.volume.pixels(view))), seen)
        logits = head.answer(picture_of(pixels, seen.input_size), features)[number : number + 1]
        full = upscale_logits(logits, seen)[0]
        return sigmoid(downscale_mask(frame.cut(full), frame, low_res)[None] / self.calibration.temperature)

    def _of(self, other: Predictor, view: SliceView, frame: Frame) -> Callable[[Hints], Candidates]:
        features: Features = other.features(self.volume, view, self.window, frame)
        return lambda hints: other.backbone.decode(features, hints)


def _fed_back(box: Hints, drawn: Float32Array) -> Hints:
    """The mask itself as a prompt."""
    return replace(box, mask_logits=(2 * PRIOR_LOGIT * drawn - PRIOR_LOGIT).astype(np.float32))


def _mirrored(box: Hints, frame: Frame) -> Hints:
    if box.box_xyxy is None:
        return box
    x0, y0, x1, y1 = box.box_xyxy
    return replace(box, box_xyxy=np.array([frame.input_width - 1 - x1, y0, frame.input_width - 1 - x0, y1], np.float32))


def _low_pixel_mm(frame: Frame, view: SliceView, low_res: int) -> float:
    """Side of a low-resolution pixel in mm."""
    rows = frame.crop.height * view.pixel_mm[0] * frame.input_size / frame.input_height
    return rows / low_res
