"""Uncertainty maps in replies, for requests with `"uncertainty": true`: an int8 map, and the Dice to expect.

The map holds 0 (sure) to 127 (a coin) for voxels of the image as it is stored. Only the smallest box that holds doubt
is sent, i fastest, zlib-compressed and as base64: outside it there is none.
"""

from __future__ import annotations

import base64
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np

from sam_infer.arrays import BoolArray, Float64Array, Int8Array
from sam_infer.imaging.slice_view import SliceView
from sam_infer.imaging.volume import Mask, Volume
from sam_infer.imaging.window import choose_window
from sam_infer.networks.backbone import upscale_logits
from sam_infer.networks.frame import Frame
from sam_infer.slices.predictor import Predictor
from sam_infer.uncertainty.calibration import Calibration
from sam_infer.uncertainty.case_score import KINDS, USUAL
from sam_infer.uncertainty.error_correlation import has_worth, require_worth
from sam_infer.uncertainty.measures import ADAPTERS, MEASURES, SEMANTIC, expected_dice
from sam_infer.uncertainty.probe import Probe
from sam_trainer.judging.calibrate import calibration_file
from samlabel.config import flag
from samlabel.errors import ConfigError, RequestError

KEY = "uncertainty"

# What a map can be made by here; the others need the whole case. The first is that of `combined`, which ranks cases: it
# shows where looks disagree, and nobody need name it.
MAPS = ("agreement", "stability", "views", "prompts", "multimask", "iou_head", ADAPTERS, SEMANTIC)

MOST = 127

# Fewer pixels have no edge to be unsure about.
FEWEST_PIXELS = 8

Runner = Callable[[Callable[[], Any]], Any]


def asked(
    request: Mapping[str, Any], predictor: Predictor, earlier: Callable[[Predictor], Sequence[Predictor]]
) -> Doubting | None:
    """What a request wants, checked before anything is computed; None where it wants nothing."""
    measure = _measure(str(request.get(KEY, "false")))
    if measure is None:
        return None
    if measure == SEMANTIC and predictor.semantic is None:
        raise RequestError("uncertainty semantic needs an adapter that labels without a prompt, and none serves", KEY)
    others = earlier(predictor) if measure == ADAPTERS else ()
    if measure == ADAPTERS and not others:
        raise RequestError("uncertainty adapters needs earlier adapters, and this server keeps none", KEY)
    return Doubting(predictor, measure, others)


def _measure(asked: str) -> str | None:
    maps = tuple(name for name in MAPS if has_worth(name))
    if asked in MAPS:
        return require_worth(asked, KEY, maps)
    try:
        return MAPS[0] if flag(KEY, asked) else None
    except ConfigError:
        raise RequestError(f"{KEY} must be true, false or one of {', '.join(maps)}, got {asked!r}", KEY) from None


@dataclass
class _Label:
    expected: list[float] = field(default_factory=list)
    pixels: list[int] = field(default_factory=list)


@dataclass(frozen=True, eq=False)
class Doubting:
    """How doubt is looked for."""

    predictor: Predictor
    measure: str
    earlier: Sequence[Predictor] = ()

    def about(self, volume: Volume, mask: Mask, axis: int, names: Sequence[str], run: Runner) -> dict[str, Any]:
        """Doubt about every label of a label map (values in the order of the names), slice by slice."""
        network = self.predictor.backbone
        kept = Calibration.read(calibration_file(network.name, self.predictor.adapter))
        calibration = kept.fitting(self.predictor.known_as)
        doubt = np.zeros(volume.geometry.shape, np.int8, order="F")
        found: dict[str, _Label] = {}
        across = tuple(a for a in range(3) if a != axis)
        for index in np.flatnonzero(mask.array.any(axis=across)):
            view = volume.view(axis, int(index))
            shown = view.extract(mask.array)
            for value, name in enumerate(names, 1):
                here = np.asarray(shown == value)
                if here.sum() < FEWEST_PIXELS:
                    continue
                looked, expected = run(partial(self._one, volume, view, here, name, calibration))
                pixels = view.extract(doubt)
                pixels[...] = np.maximum(pixels, looked)
                label = found.setdefault(name, _Label())
                label.expected.append(expected)
                label.pixels.append(int(here.sum()))
        dices = {name: round(float(np.average(one.expected, weights=one.pixels)), 4) for name, one in found.items()}
        return {
            **packed(doubt),
            "measure": self.measure,
            "temperature": round(calibration.temperature, 4),
            "expected_dice": dices,
        }

    def _one(
        self, volume: Volume, view: SliceView, here: BoolArray, name: str, calibration: Calibration
    ) -> tuple[Int8Array, float]:
        grey = None if volume.is_colour else float(np.median(volume.pixels(view)[here]))
        kinds = (*USUAL, *KINDS.get(self.measure, ()))
        again = Probe(self.predictor, volume, choose_window(volume, target=grey), kinds, self.earlier, calibration)
        evidence = again.at(view, here, name)
        found = MEASURES[self.measure](evidence).map * evidence.region
        return full_size(found, again.frame(view, here), view), expected_dice(evidence)


def full_size(doubt: Float64Array, frame: Frame, view: SliceView) -> Int8Array:
    """A map (l, l) of a frame as 0..127 on the whole slice (H, W)."""
    full = frame.paste(upscale_logits(doubt[None].astype(np.float32), frame)[0], (view.height, view.width), 0.0)
    return np.rint(np.clip(full, 0.0, 1.0) * MOST).astype(np.int8)


def packed(doubt: Int8Array) -> dict[str, Any]:
    """The smallest box with doubt, as JSON; without any, an empty box."""
    voxels = np.argwhere(doubt)
    low, high = (voxels.min(axis=0), voxels.max(axis=0) + 1) if len(voxels) else (np.zeros(3, int), np.zeros(3, int))
    part = doubt[tuple(slice(a, b) for a, b in zip(low, high, strict=True))]
    data = zlib.compress(part.tobytes(order="F"), 6)
    return {
        "low": low.tolist(),
        "shape": list(part.shape),
        "dtype": "int8",
        "encoding": "zlib+base64",
        "scale": MOST,
        "data": base64.b64encode(data).decode(),
    }


def unpacked(told: Mapping[str, Any], shape: tuple[int, int, int]) -> Int8Array:
    """The map on the whole grid again, as a client would."""
    out = np.zeros(shape, np.int8, order="F")
    part = np.frombuffer(zlib.decompress(base64.b64decode(told["data"])), np.int8).reshape(told["shape"], order="F")
    out[tuple(slice(a, a + n) for a, n in zip(told["low"], told["shape"], strict=True))] = part
    return out
