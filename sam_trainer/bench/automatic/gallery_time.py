"""Time of the full gallery of one slice: 32 x 32 clicks on 256 x 256 pixels, then a second label of the same slice.

As a server asks them that serves a small network: a worker per core, each on one thread.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import numpy as np
import torch

from sam_infer.automatic.best import Way
from sam_infer.automatic.full_gallery import SIDE
from sam_infer.automatic.modes import ModeOptions
from sam_infer.imaging.geometry import Geometry
from sam_infer.imaging.volume import Mask, Volume
from sam_infer.job import Job
from sam_infer.slices.predictor import Predictor
from sam_trainer.proposals.left_out import NewCase
from sam_trainer.reports.table import Row

FULL = Way("grid", ModeOptions(gallery="full"))


def gallery_row(predictor: Predictor, side: int) -> Row:
    """Seconds of the first label of a slice, encoding and all clicks in it, and of a second one."""
    with _workers() as job:
        asked = NewCase(predictor, _slice(side), 2, ("first", "second"), (), job)
        began = time.process_time()
        first, second = (_label(asked, centre) for centre in (0.3, 0.7))
    cpu = round(time.process_time() - began, 3)  # of both labels: says what a busy machine would have taken idle
    what = {"what": "full gallery", "pixels": side, "clicks": SIDE * SIDE, "workers": job.workers, "cpu_seconds": cpu}
    return {**what, "first_label_seconds": round(first, 3), "second_label_seconds": round(second, 3)}


@contextmanager
def _workers() -> Iterator[Job]:
    """A job of as many workers as torch has threads."""
    cores = torch.get_num_threads()
    torch.set_num_threads(1)  # also of threads to come
    try:
        with ThreadPoolExecutor(cores) as workers:
            yield Job(lambda work: workers.submit(work).result(), workers=cores)
    finally:
        torch.set_num_threads(cores)


def _label(asked: NewCase, centre: float) -> float:
    """Seconds of a label that is expected around a place, in shares of the slice's side."""
    prior, side = Mask.empty(asked.volume.geometry), asked.volume.geometry.shape[0]
    low, high = round((centre - 0.1) * side), round((centre + 0.1) * side)
    prior.array[low:high, low:high, 0] = 1
    return asked.labels(FULL, 0, prior)[1]


def _slice(side: int) -> Volume:
    """Two bright squares on noise; every pixel is seen, so that every click is asked."""
    noise = np.random.default_rng(0).uniform(50, 90, (side, side, 1))
    for centre in (0.3, 0.7):
        low, high = round((centre - 0.1) * side), round((centre + 0.1) * side)
        noise[low:high, low:high] += 120
    noise[0, 0] = 0
    return Volume(np.asfortranarray(noise.astype(np.float32)), Geometry((side, side, 1), np.eye(4)), "MR")
