"""Simulated first prompts and correction clicks on what is wrong. Pure functions; (x, y) are mask pixels."""

from __future__ import annotations

from dataclasses import dataclass, field

import cv2
import numpy as np

from sam_infer.arrays import Float32Array, UInt8Array

Mask = UInt8Array
Points = Float32Array


@dataclass(frozen=True)
class Click:
    """One click: pixel centre (x, y), on the object (1) or not (0)."""

    x: float
    y: float
    label: int


@dataclass(frozen=True)
class FirstPrompt:
    """What a reader gives before seeing any answer."""

    clicks: list[Click] = field(default_factory=list)
    box: Points | None = None  # (4,) outer edges less half a pixel: x0, y0, x1, y1
    neighbour: Mask | None = None  # (S, S) the object on the slice before; then there is nothing else


def tight_box(mask: Mask) -> Points:
    """The object's outer pixel edges less half a pixel (x0, y0, x1, y1)."""
    rows, cols = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return np.array([cols[0] - 0.5, rows[0] - 0.5, cols[-1] + 0.5, rows[-1] + 0.5], np.float32)


def jittered_box(box: Points, level: float, rng: np.random.Generator) -> Points:
    """Every edge moved by up to `level` of the side, each by its own draw."""
    width, height = box[2] - box[0], box[3] - box[1]
    moved = box + rng.uniform(-level, level, 4).astype(np.float32) * np.array([width, height, width, height])
    low = np.minimum(moved[:2], moved[2:] - 1)
    high = np.maximum(moved[2:], moved[:2] + 1)
    return np.concatenate([low, high]).astype(np.float32)


def centre_click(mask: Mask) -> Click:
    """The pixel of the centre of mass; where that lies outside, the object's middle pixel in row-major order."""
    rows, cols = np.nonzero(mask)
    y, x = int(rows.mean() + 0.5), int(cols.mean() + 0.5)
    if not mask[y, x]:
        y, x = rows[len(rows) // 2], cols[len(cols) // 2]
    return Click(float(x), float(y), 1)


def deepest_click(region: Mask, label: int) -> Click:
    """Where the region is thickest."""
    padded = np.pad(region, 1)
    distance = cv2.distanceTransform(padded, cv2.DIST_L2, 5)
    y, x = np.unravel_index(int(distance.argmax()), distance.shape)
    return Click(float(x - 1), float(y - 1), label)


def random_click(region: Mask, label: int, rng: np.random.Generator) -> Click:
    """Any pixel of the region."""
    places = np.flatnonzero(region)
    y, x = divmod(int(places[rng.integers(len(places))]), region.shape[1])
    return Click(float(x), float(y), label)


def largest_component(region: Mask) -> Mask:
    """The largest 4-connected part of a region."""
    count, numbers, stats, _ = cv2.connectedComponentsWithStats(region, connectivity=4)
    if count <= 2:
        return region
    return (numbers == 1 + int(stats[1:, cv2.CC_STAT_AREA].argmax())).astype(np.uint8)


def largest_error(answer: Mask, truth: Mask) -> tuple[Mask, int] | None:
    """The largest connected part that was missed (1) or added (0); None when nothing is wrong."""
    missed = largest_component(((answer == 0) & (truth > 0)).astype(np.uint8))
    added = largest_component(((answer > 0) & (truth == 0)).astype(np.uint8))
    missed_area, added_area = int(missed.sum()), int(added.sum())
    if missed_area + added_area == 0:
        return None
    return (missed, 1) if missed_area >= added_area else (added, 0)


def correction_click(answer: Mask, truth: Mask, rng: np.random.Generator | None = None) -> Click | None:
    """A click on the largest error: where it is thickest, or at random in it; None when nothing is wrong.

    Missed and added parts compete by area: the larger one's largest connected part gets the click.
    """
    wrong = largest_error(answer, truth)
    if wrong is None:
        return None
    region, label = wrong
    return deepest_click(region, label) if rng is None else random_click(region, label, rng)


def first_prompt(mask: Mask, rng: np.random.Generator) -> FirstPrompt:
    """A random first prompt for training: a box, a click, a box with clicks, or a handful of clicks."""
    kind = rng.random()
    if kind < 0.42:
        box = tight_box(mask)
        if rng.random() < 0.35:
            box = jittered_box(box, 0.1 if rng.random() < 0.6 else 0.25, rng)
        clicks = [_inside(mask, rng)] if kind < 0.06 else []
        return FirstPrompt(clicks, box)
    if kind < 0.84:
        return FirstPrompt([_inside(mask, rng)])
    clicks = [_inside(mask, rng) for _ in range(rng.integers(1, 6))]
    for _ in range(rng.integers(0, 5)):
        outside = _near_outside(mask, rng)
        if outside is not None:
            clicks.append(outside)
    return FirstPrompt(clicks)


def _inside(mask: Mask, rng: np.random.Generator) -> Click:
    kind = rng.random()
    if kind < 0.35:
        return centre_click(mask)
    if kind < 0.55:
        return deepest_click(mask, 1)
    return random_click(mask, 1, rng)


def _near_outside(mask: Mask, rng: np.random.Generator) -> Click | None:
    """A background pixel in the object's box, twice enlarged."""
    x0, y0, x1, y1 = tight_box(mask)
    height, width = mask.shape
    half_w, half_h = (x1 - x0) / 2, (y1 - y0) / 2
    cols = slice(int(max(x0 - half_w, 0)), int(min(x1 + half_w, width)) + 1)
    rows = slice(int(max(y0 - half_h, 0)), int(min(y1 + half_h, height)) + 1)
    around = (mask[rows, cols] == 0).astype(np.uint8)
    if not around.any():
        return None
    click = random_click(around, 0, rng)
    return Click(click.x + cols.start, click.y + rows.start, 0)
