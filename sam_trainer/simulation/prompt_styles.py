"""Prompt strategies derived from a known object, as in the COSMOS study (arXiv 2304.14660, sections 3.3 and 4.10).

Masks and points are in display orientation: masks (H, W), points (row, column). Every construction is deterministic;
what moves prompts at random takes a generator.

S1  everything: a grid of points, each asked alone
S2  one foreground point: the centre of mass, or the middle pixel of the row-major list when that lies outside
S3  five foreground points: S2, then the pixels at 1/5 ... 4/5 of the row-major list
S4  S3 and five background points, evenly spaced over the pixels around the object in its box enlarged twice
S5  the tight box
S6  S5 and S2
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from scipy import ndimage

from sam_infer.arrays import BoolArray, Float64Array, Int64Array
from sam_infer.errors import PromptError
from sam_infer.imaging.slice_view import SliceView
from sam_infer.prompts.object_prompts import Box, Prompts

STRATEGIES = ("S1", "S2", "S3", "S4", "S5", "S6")

FOREGROUND_POINTS = 5
BACKGROUND_POINTS = 5
BOX_ENLARGEMENT = 2.0


def _none() -> Int64Array:
    return np.zeros((0, 2), np.int64)


def _no_turns() -> Int64Array:
    return np.zeros(0, np.int64)


@dataclass(frozen=True, eq=False)
class Drawn:
    """Prompts for one object on a displayed slice."""

    foreground: Int64Array  # (N, 2) row, column
    background: Int64Array  # (M, 2)
    box: Int64Array | None = None  # (2, 2) inclusive corners: low row, low column; high row, high column
    turns: Int64Array = field(default_factory=_no_turns)  # (N + M,) when each point was clicked; empty: nobody knows

    def on(self, view: SliceView) -> Prompts:
        """The same in voxel indices of the image, as a client sends them."""
        both = np.concatenate([self.foreground, self.background])
        labels = np.repeat([1, 0], [len(self.foreground), len(self.background)])
        points = view.to_stored(both).astype(np.int64) if len(both) else np.zeros((0, 3), np.int64)
        box = Box.of(*view.to_stored(self.box)) if self.box is not None else None
        return Prompts(view.axis, points, labels, box, turns=self.turns)


def drawn(mask: BoolArray, strategy: str) -> Drawn:
    """The prompts of S2 to S6 for an object (H, W)."""
    if not mask.any():
        raise PromptError("an empty mask has no prompts", "mask")
    if strategy == "S2":
        return Drawn(centre_point(mask), _none())
    if strategy == "S3":
        return Drawn(foreground_points(mask), _none())
    if strategy == "S4":
        return Drawn(foreground_points(mask), background_points(mask))
    if strategy == "S5":
        return Drawn(_none(), _none(), tight_box(mask))
    if strategy == "S6":
        return Drawn(centre_point(mask), _none(), tight_box(mask))
    raise PromptError(f"strategy must be one of S2 to S6, got {strategy!r}", "strategy")


def centre_point(mask: BoolArray) -> Int64Array:
    """The pixel nearest to the centre of mass (1, 2); outside the object, the middle of its row-major list."""
    pixels = np.argwhere(mask)
    row, col = np.floor(pixels.mean(axis=0) + 0.5).astype(np.int64)
    centre = [row, col] if mask[row, col] else pixels[len(pixels) // 2]
    return np.array([centre], np.int64)


def foreground_points(mask: BoolArray, count: int = FOREGROUND_POINTS) -> Int64Array:
    """`count` points (count, 2), the centre first; fewer when the object has fewer pixels."""
    pixels = np.argwhere(mask)
    others = pixels[[n * len(pixels) // count for n in range(1, count)]]
    return _distinct(np.concatenate([centre_point(mask), others]))


def background_points(mask: BoolArray, count: int = BACKGROUND_POINTS) -> Int64Array:
    """`count` points (count, 2) beside the object in its enlarged box; none when it fills that."""
    low, high = tight_box(mask)
    grow = (high - low + 1) * (BOX_ENLARGEMENT - 1) / 2
    start = np.maximum(np.floor(low - grow + 0.5), 0).astype(int)
    stop = np.minimum(np.floor(high + 1 + grow + 0.5), mask.shape).astype(int)
    pixels = np.argwhere(~mask[start[0] : stop[0], start[1] : stop[1]]) + start
    if not len(pixels):
        return _none()
    return _distinct(pixels[[n * len(pixels) // count for n in range(count)]])


def tight_box(mask: BoolArray) -> Int64Array:
    """Inclusive corners (2, 2) of the object, nothing added."""
    rows, cols = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return np.array([[rows[0], cols[0]], [rows[-1], cols[-1]]], np.int64)


def grid_points(shape: tuple[int, int], side: int) -> Int64Array:
    """The centres of side x side equal cells of a slice (side * side, 2), row by row."""
    rows = ((np.arange(side) + 0.5) * shape[0] / side).astype(np.int64)
    cols = ((np.arange(side) + 0.5) * shape[1] / side).astype(np.int64)
    return np.stack(np.meshgrid(rows, cols, indexing="ij"), axis=-1).reshape(-1, 2)


def random_points(mask: BoolArray, count: int, rng: np.random.Generator) -> Int64Array:
    """`count` different pixels of the object (count, 2), uniformly."""
    pixels = np.argwhere(mask)
    return np.asarray(pixels[rng.choice(len(pixels), min(count, len(pixels)), replace=False)])


def inner_half(mask: BoolArray) -> BoolArray:
    """The half of the object's pixels (H, W) that lies deepest inside it."""
    depth = ndimage.distance_transform_edt(np.pad(mask, 1))[1:-1, 1:-1]
    order = np.argsort(-depth[mask], kind="stable")
    inner = np.zeros(len(order), bool)
    inner[order[: max(1, (len(order) + 1) // 2)]] = True
    out = np.zeros_like(mask)
    out[mask] = inner
    return out


def jittered_box(
    box: Int64Array, mode: str, level: float, shape: tuple[int, int], rng: np.random.Generator
) -> Int64Array:
    """A box (2, 2) moved by a share `level` of its sides, kept inside the slice.

    `edges` moves each edge on its own by up to `level`; `shift` moves the whole by exactly `level` in a random
    direction; `scale` grows or shrinks every side by exactly `level`.
    """
    low, high = box.astype(float)
    side = high + 1 - low
    if mode == "edges":
        low, high = low + rng.uniform(-level, level, 2) * side, high + rng.uniform(-level, level, 2) * side
    elif mode == "shift":
        angle = rng.uniform(0, 2 * np.pi)
        step = np.array([np.sin(angle), np.cos(angle)]) * level * side
        low, high = low + step, high + step
    elif mode == "scale":
        grow = float(rng.choice([-1.0, 1.0])) * level * side / 2
        low, high = low - grow, high + grow
    else:
        raise PromptError(f"mode must be edges, shift or scale, got {mode!r}", "mode")
    return _box_inside(low, high, shape)


def pushed_box(
    box: Int64Array, band: tuple[float, float], shape: tuple[int, int], rng: np.random.Generator
) -> Int64Array:
    """A box (2, 2) whose edges each move in or out by a distance in pixels from `band`, kept inside the slice."""
    steps = rng.uniform(*band, (2, 2)) * rng.choice([-1.0, 1.0], (2, 2))
    return _box_inside(box[0] + steps[0], box[1] + steps[1], shape)


def _box_inside(low: Float64Array, high: Float64Array, shape: tuple[int, int]) -> Int64Array:
    """Whole-pixel corners (2, 2), sorted: edges that crossed each other change places."""
    corners = np.clip(np.rint([low, high]), 0, np.asarray(shape) - 1).astype(np.int64)
    return np.stack([corners.min(axis=0), corners.max(axis=0)])


def displaced(
    prompts: Drawn, band: tuple[float, float], first_only: bool, shape: tuple[int, int], rng: np.random.Generator
) -> Drawn:
    """Points moved by a distance in pixels from `band` in random directions, kept inside the slice."""

    def moved(points: Int64Array, count: int) -> Int64Array:
        length, angle = rng.uniform(*band, count), rng.uniform(0, 2 * np.pi, count)
        steps = np.zeros(points.shape)
        steps[:count] = np.stack([np.sin(angle), np.cos(angle)], axis=1) * length[:, None]
        return np.clip(np.rint(points + steps), 0, np.asarray(shape) - 1).astype(np.int64)

    foreground = moved(prompts.foreground, 1 if first_only else len(prompts.foreground))
    background = prompts.background if first_only else moved(prompts.background, len(prompts.background))
    return replace(prompts, foreground=foreground, background=background)


def _distinct(points: Int64Array) -> Int64Array:
    """The same points in the same order, each once."""
    _, first = np.unique(points, axis=0, return_index=True)
    return points[np.sort(first)]
