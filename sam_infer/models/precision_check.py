"""Checks once per network whether half precision draws the same masks as float32, on a synthetic slice.

The answer is kept beside the weights, so that a restart finds the features of its last life under the same name.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import structlog
import torch

from sam_infer.networks.backbone import Backbone, Features, Hints
from sam_infer.networks.runtimes.precision import BFLOAT16, FLOAT32, LEAST_GAIN, bfloat16_gain

log = structlog.get_logger(__name__)

LEAST_DICE = 0.995

# The object of the trial, as shares of the input's side: x and y of its middle and its half axes.
MIDDLE, RADII = np.array([0.5, 0.4]), np.array([0.2, 0.14])


def agreed_precision(network: Callable[[str], Backbone], weights_id: str, record: Path) -> str:
    """bfloat16 where the processor is faster with it and the network's masks stay the same, else float32."""
    gain = bfloat16_gain()
    if gain < LEAST_GAIN:
        return FLOAT32
    asked = {"weights": weights_id, "torch": torch.__version__}
    try:
        known = json.loads(record.read_text())
    except (OSError, ValueError):
        known = {}
    if not isinstance(known, dict) or {key: known.get(key) for key in asked} != asked or "dice" not in known:
        log.info("comparing the network's masks in bfloat16 and float32, once")
        known = {**asked, "dice": masks_agree(network(FLOAT32), network(BFLOAT16)), "times_faster": round(gain, 2)}
        try:
            record.write_text(json.dumps(known, indent=2) + "\n")
        except OSError as error:  # a store that others own is asked every time
            log.debug("trial not stored", reason=str(error))
    agrees = float(known["dice"]) >= LEAST_DICE
    log.info("encoder's numbers", precision=BFLOAT16 if agrees else FLOAT32, dice=known["dice"])
    return BFLOAT16 if agrees else FLOAT32


def masks_agree(one: Backbone, other: Backbone) -> float:
    """The lowest Dice between two networks' answers to a click, two clicks and a box on the same slice."""
    stack = np.repeat(_slice(one.input_size)[None], one.depth, axis=0)
    features = one.encode(stack), other.encode(stack)
    return round(min(_dice(one, other, features, hints) for hints in _hints(one.input_size)), 5)


def _dice(one: Backbone, other: Backbone, features: tuple[Features, Features], hints: Hints) -> float:
    answer, again = one.decode(features[0], hints), other.decode(features[1], hints)
    first, second = answer.logits[answer.preferred] > 0, again.logits[answer.preferred] > 0
    marked = first.sum() + second.sum()
    return float(2 * (first & second).sum() / marked) if marked else 1.0


def _slice(side: int) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    """A bright object on noise (side, side, 3), the same every time."""
    y, x = np.mgrid[:side, :side] / side
    grey = np.random.default_rng(0).normal(60, 15, (side, side))
    grey += 90 * (((x - MIDDLE[0]) / RADII[0]) ** 2 + ((y - MIDDLE[1]) / RADII[1]) ** 2 < 1)
    return np.repeat(grey.clip(0, 255).astype(np.uint8)[..., None], 3, axis=2)


def _hints(side: int) -> list[Hints]:
    inside, outside = MIDDLE * side, (MIDDLE + 2 * RADII) * side
    box = np.concatenate([MIDDLE - RADII, MIDDLE + RADII]) * side
    click = np.array([inside], np.float32)
    return [
        Hints(click, np.array([1])),
        Hints(np.array([inside, outside], np.float32), np.array([1, 0])),
        Hints(np.zeros((0, 2), np.float32), np.zeros(0, np.int64), box.astype(np.float32)),
    ]
