"""Time of the full gallery of one slice: 32 x 32 clicks on 256 x 256 pixels, then a second label of the same slice."""

from __future__ import annotations

import time

import numpy as np

from sam_infer.automatic.best import Way
from sam_infer.automatic.modes import ModeOptions
from sam_infer.imaging.geometry import Geometry
from sam_infer.imaging.volume import Mask, Volume
from sam_infer.slices.predictor import Predictor
from sam_trainer.proposals.left_out import NewCase
from sam_trainer.reports.table import Row

FULL = Way("grid", ModeOptions(gallery="full"))


def gallery_row(predictor: Predictor, side: int) -> Row:
    """Seconds of the first label of a slice, encoding and all clicks in it, and of a second one."""
    volume = _slice(side)
    asked = NewCase(predictor, volume, 2, ("first", "second"), ())
    seconds, began = [], time.process_time()
    for centre in (0.3, 0.7):
        prior = Mask.empty(volume.geometry)
        low, high = round((centre - 0.1) * side), round((centre + 0.1) * side)
        prior.array[low:high, low:high, 0] = 1
        started = time.perf_counter()
        asked.labels(FULL, 0, prior)
        seconds.append(time.perf_counter() - started)
    first, second = seconds
    cpu = round(time.process_time() - began, 3)  # of both labels: says what a busy machine would have taken idle
    what = {"what": "full gallery", "pixels": side, "clicks": 1024, "cpu_seconds": cpu}
    return {**what, "first_label_seconds": round(first, 3), "second_label_seconds": round(second, 3)}


def _slice(side: int) -> Volume:
    """Two bright squares on noise; every pixel is seen, so that every click is asked."""
    noise = np.random.default_rng(0).uniform(50, 90, (side, side, 1))
    for centre in (0.3, 0.7):
        low, high = round((centre - 0.1) * side), round((centre + 0.1) * side)
        noise[low:high, low:high] += 120
    noise[0, 0] = 0
    return Volume(np.asfortranarray(noise.astype(np.float32)), Geometry((side, side, 1), np.eye(4)), "MR")
