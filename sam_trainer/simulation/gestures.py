"""Simulated strokes and lassos on the largest error of an answer; everything random comes from a generator.

A stroke runs through the thick part of what is wrong, as a hand would draw it without looking closely. A lasso goes
round what was missed with some room, unsteadily; one round what is too much stays inside of it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from scipy import ndimage
from skimage.graph import route_through_array

from sam_infer.arrays import BoolArray, Float64Array, Int64Array
from sam_infer.imaging.slice_view import SliceView
from sam_trainer.simulation.clicks import largest_error
from sam_trainer.simulation.prompt_styles import inner_half
from sam_trainer.simulation.session import CLICKS

# How far from what was missed a lasso keeps, as a share of its side, and how unsteady the hand is about it.
ROOM, UNSTEADY = 0.06, 0.3

# Corners of a lasso at most, and of the smallest: a hand's line has many more, which say no more.
CORNERS, FEWEST_CORNERS = 32, 3

# What a stroke would pay for leaving the region, against a pixel in the middle of it.
FORBIDDEN = 1e6


@dataclass(frozen=True, eq=False)
class Gesture:
    """One stroke or lasso: (row, column) (N, 2) of painted pixels or of corners, on the object (1) or not (0)."""

    places: npt.NDArray[Any]
    label: int


Draw = Callable[[BoolArray, int, np.random.Generator], npt.NDArray[Any]]
GestureMethod = Callable[[Sequence[Gesture]], BoolArray]


def gesture_session(
    truth: BoolArray, method: GestureMethod, draw: Draw, rng: np.random.Generator, count: int = CLICKS
) -> list[BoolArray]:
    """The answers (count, H, W) to 1, 2, ... gestures on the largest error; the last one stays when all is right."""
    made: list[Gesture] = []
    answers: list[BoolArray] = []
    mask = np.zeros_like(truth)
    for _ in range(count):
        wrong = largest_error(mask.astype(np.uint8), truth.astype(np.uint8))
        if wrong is not None:
            region, label = wrong
            made.append(Gesture(draw(region > 0, label, rng), label))
            mask = method(made)
        answers.append(mask)
    return answers


def stroke(region: BoolArray, label: int, rng: np.random.Generator) -> Int64Array:
    """Pixels (N, 2) painted between two places of the region's inner half, never outside the region."""
    inner = np.argwhere(inner_half(region))
    start, stop = inner[rng.integers(len(inner), size=2)]
    depth = ndimage.distance_transform_edt(np.pad(region, 1))[1:-1, 1:-1]
    cost = np.where(region, 1.0 / np.maximum(depth, 1.0), FORBIDDEN)
    path, _ = route_through_array(cost, tuple(start), tuple(stop), fully_connected=True)
    line = np.asarray(path, np.int64)
    return np.asarray(line[region[tuple(line.T)]])


def lasso(region: BoolArray, label: int, rng: np.random.Generator) -> Float64Array:
    """Corners (N, 2) of a closed line round the region."""
    room = max(1, round(ROOM * float(np.sqrt(region.sum())))) if label else 0
    line = _outline(np.pad(region, room + 1), room)
    if len(np.unique(line, axis=0)) < FEWEST_CORNERS:
        line = _outline(np.pad(region, room + 1), 1)
    chosen = line[np.unique(np.linspace(0, len(line) - 1, min(CORNERS, len(line))).astype(int))] - (room + 1.0)
    return np.asarray(chosen + rng.normal(0.0, UNSTEADY * room, chosen.shape) if room else chosen)


def _outline(region: BoolArray, room: int) -> Float64Array:
    """The longest contour (N, 2) of a region (H, W) that grew by so many pixels."""
    grown = ndimage.distance_transform_edt(~region) <= room
    contours, _ = cv2.findContours(grown.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    longest = max(contours, key=len)
    return np.asarray(longest[:, 0, ::-1], np.float64)


def stored(gestures: Sequence[Gesture], label: int, view: SliceView) -> list[Float64Array]:
    """The gestures of a label as voxel indices (N, 3), which may lie between voxels."""
    return [view.to_stored(gesture.places) for gesture in gestures if gesture.label == label]
