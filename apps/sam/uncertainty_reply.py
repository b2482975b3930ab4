"""Doubt with the mask, for requests that say `"uncertainty": true`: an int8 map, and the Dice to expect.

The map holds 0 (sure) to 127 (a coin) for voxels of the image as it is stored. Only the smallest box that holds doubt
is sent, i fastest, zlib-compressed and as base64: outside it there is none.
"""

from __future__ import annotations

import base64
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from sam_infer.backbone import upscale_logits
from sam_infer.calibration import Calibration
from sam_infer.case_score import USUAL
from sam_infer.frame import Frame
from sam_infer.predictor import Predictor
from sam_infer.second_look import SecondLook
from sam_infer.slice_view import SliceView
from sam_infer.uncertainty import MEASURES, FloatArray, expected_dice
from sam_infer.volume import Mask, Volume
from sam_infer.window import choose_window
from sam_trainer.calibrating import calibration_file
from samlabel.config import flag
from samlabel.errors import ConfigError, RequestError

KEY = "uncertainty"
MEASURE = "agreement"

MOST = 127

# Fewer pixels have no edge to be unsure about.
FEWEST_PIXELS = 8

Runner = Callable[[Callable[[], Any]], Any]


def wanted(request: Mapping[str, Any]) -> bool:
    """Whether a request asks for it."""
    try:
        return flag(KEY, str(request.get(KEY, "false")))
    except ConfigError as error:
        raise RequestError(str(error), KEY) from None


@dataclass
class _Label:
    expected: list[float] = field(default_factory=list)
    pixels: list[int] = field(default_factory=list)


def uncertainty_of(
    predictor: Predictor, volume: Volume, mask: Mask, axis: int, names: Sequence[str], run: Runner
) -> dict[str, Any]:  # fmt: skip
    """Doubt about every label of a label map (values in the order of the names), slice by slice."""
    temperature = Calibration.read(calibration_file(predictor.backbone.name, predictor.adapter)).temperature
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
            looked, expected = run(lambda v=view, h=here, n=name: _one(predictor, volume, v, h, n, temperature))
            pixels = view.extract(doubt)
            pixels[...] = np.maximum(pixels, looked)
            label = found.setdefault(name, _Label())
            label.expected.append(expected)
            label.pixels.append(int(here.sum()))
    dices = {name: round(float(np.average(one.expected, weights=one.pixels)), 4) for name, one in found.items()}
    return {**packed(doubt), "measure": MEASURE, "temperature": round(temperature, 4), "expected_dice": dices}


def _one(
    predictor: Predictor, volume: Volume, view: SliceView, here: npt.NDArray[np.bool_], name: str, temperature: float
) -> tuple[npt.NDArray[np.int8], float]:  # fmt: skip
    window = choose_window(volume, target=None if volume.is_colour else float(np.median(volume.pixels(view)[here])))
    again = SecondLook(predictor, volume, window, USUAL, temperature=temperature)
    evidence = again.at(view, here, name)
    frame = again.frame(view, here)
    return full_size(MEASURES[MEASURE](evidence).map * evidence.region, frame, view), expected_dice(evidence)


def full_size(doubt: FloatArray, frame: Frame, view: SliceView) -> npt.NDArray[np.int8]:
    """A map (l, l) of a frame as 0..127 on the whole slice (H, W)."""
    full = frame.paste(upscale_logits(doubt[None].astype(np.float32), frame)[0], (view.height, view.width), 0.0)
    return np.rint(np.clip(full, 0.0, 1.0) * MOST).astype(np.int8)


def packed(doubt: npt.NDArray[np.int8]) -> dict[str, Any]:
    """The smallest box with doubt, as JSON; without any, an empty box."""
    voxels = np.argwhere(doubt)
    low, high = (voxels.min(axis=0), voxels.max(axis=0) + 1) if len(voxels) else (np.zeros(3, int), np.zeros(3, int))
    part = doubt[tuple(slice(a, b) for a, b in zip(low, high, strict=True))]
    data = zlib.compress(part.tobytes(order="F"), 6)
    return {"low": low.tolist(), "shape": list(part.shape), "dtype": "int8", "encoding": "zlib+base64",
            "scale": MOST, "data": base64.b64encode(data).decode()}  # fmt: skip


def unpacked(told: Mapping[str, Any], shape: tuple[int, int, int]) -> npt.NDArray[np.int8]:
    """The map on the whole grid again, as a client would."""
    out = np.zeros(shape, np.int8, order="F")
    part = np.frombuffer(zlib.decompress(base64.b64decode(told["data"])), np.int8).reshape(told["shape"], order="F")
    out[tuple(slice(a, a + n) for a, n in zip(told["low"], told["shape"], strict=True))] = part
    return out
