"""A network that is none: flood fill around the clicks, a threshold inside a box. Deterministic, exact, instant."""

from __future__ import annotations

import threading
import time
from collections import deque

import numpy as np
import torch
from scipy import ndimage

from sam_infer.networks.backbone import Candidates, Features, Hints, only_slice
from sam_infer.networks.frame import Crop, Frame, fit_longest
from sam_infer.weights.prompting import PLAIN
from tests.processes import HANG_S

TOLERANCE = 40.0
SURE = 8.0


class RegionGrowing:
    """The `Backbone` protocol over plain image processing; counts its encodes.

    On purpose it can be slow, or wait for a permit with every encode.
    """

    name = "region_growing"
    weights_id = "region-growing-1"
    depth = 1
    input_size = 256
    low_res = 256
    prompting = PLAIN
    follows_masks = False

    def __init__(self, encoder_id: str) -> None:
        self.encoder_id = encoder_id
        self.encodes = self.clicks = 0
        self.encode_seconds = 0.0
        self.permits: threading.Semaphore | None = None
        self.pictures: deque[np.ndarray] = deque(maxlen=4)  # the last that were encoded
        self._counting = threading.Lock()

    def frame(self, crop: Crop, pixel_mm: tuple[float, float]) -> Frame:
        return fit_longest(crop, pixel_mm, self.input_size, "centre")

    def encode(self, stack: np.ndarray) -> Features:
        pixels = only_slice(stack)
        with self._counting:
            self.encodes += 1
            self.pictures.append(pixels.copy())
        if self.permits is not None:
            assert self.permits.acquire(timeout=HANG_S), "nobody let the encode go on"
        _compute(self.encode_seconds)
        padded = np.zeros((self.input_size, self.input_size), np.float32)
        padded[: pixels.shape[0], : pixels.shape[1]] = pixels.mean(axis=-1)
        return {"grey": torch.from_numpy(padded)[None]}

    def decode(self, features: Features, hints: Hints) -> Candidates:
        grey = features["grey"][0].numpy()
        if hints.box_xyxy is not None:
            region = self._inside_box(grey, hints.box_xyxy)
        else:
            region = np.zeros(grey.shape, bool)
        if hints.mask_logits is not None and not len(hints.labels):
            region |= hints.mask_logits > 0
        for point in hints.points_xy[hints.labels == 1]:
            region |= self._flood(grey, point)
        for point in hints.points_xy[hints.labels == 0]:
            region &= ~self._flood(grey, point)
        logits = np.where(region, SURE, -SURE).astype(np.float32)
        return Candidates(np.stack([logits, logits, logits]), np.array([0.9, 0.8, 0.7], np.float32), 0)

    def decode_clicks(self, features: Features, points_xy: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        self.clicks += len(points_xy)
        answers = [self.decode(features, Hints(point[None], np.ones(1, np.int64))) for point in points_xy]
        return np.stack([one.logits for one in answers]), np.stack([one.scores for one in answers])

    def _flood(self, grey: np.ndarray, point_xy: np.ndarray) -> np.ndarray:
        col, row = np.clip(np.rint(point_xy), 0, self.input_size - 1).astype(int)
        similar, _ = ndimage.label(np.abs(grey - grey[row, col]) <= TOLERANCE)
        return similar == similar[row, col]

    def _inside_box(self, grey: np.ndarray, box: np.ndarray) -> np.ndarray:
        x0, y0, x1, y1 = np.clip(np.rint(box), 0, self.input_size - 1).astype(int)
        inside = np.zeros(grey.shape, bool)
        part = grey[y0 : y1 + 1, x0 : x1 + 1]
        inside[y0 : y1 + 1, x0 : x1 + 1] = part > (float(part.min()) + float(part.max())) / 2
        return inside


def _compute(seconds: float) -> None:
    """As long as a real encoder computes, and with as many threads: sleeping would disturb nobody."""
    until = time.monotonic() + seconds
    weights, maps = torch.ones(32, 32, 3, 3), torch.ones(1, 32, 128, 128)
    while time.monotonic() < until:
        torch.nn.functional.conv2d(maps, weights)
