"""What the cohorts are drawn with: textures, outlines, soft edges. Pictures are square, lengths shares of a side."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from scipy import ndimage

from sam_infer.arrays import BoolArray, Float32Array, UInt8Array
from sam_trainer.synthetic.appearance import smooth_noise

SIDE = 96

# Wavelengths of a texture that has edges of every size: what is drawn faintly on it cannot be seen.
ROUGH = (0.5, 0.25, 0.12, 0.07)

# Of the way from the edge of an object to its deepest place, from where on its core begins.
CORE_FROM = 0.45

Pair = tuple[float, float]


def texture(rng: np.random.Generator, wavelengths: Sequence[float] = ROUGH) -> Float32Array:
    """A texture (SIDE, SIDE) of mean 0 and deviation 1."""
    drawn = sum(smooth_noise(rng, SIDE, length) for length in wavelengths)
    field = np.asarray(drawn, np.float32)
    return np.asarray((field - field.mean()) / field.std(), np.float32)


def patchwork(rng: np.random.Generator, cell: float) -> Float32Array:
    """Cells of -1 and 1 with sharp edges, turned by any angle."""
    cells = round(1.5 / cell)
    signs = rng.choice((-1.0, 1.0), (cells, cells)).astype(np.float32)
    wide = cv2.resize(signs, (2 * SIDE, 2 * SIDE), interpolation=cv2.INTER_NEAREST)
    turn = cv2.getRotationMatrix2D((SIDE, SIDE), float(rng.uniform(0, 90)), 1.0)
    turned = cv2.warpAffine(wide, turn, (2 * SIDE, 2 * SIDE), flags=cv2.INTER_NEAREST, borderMode=cv2.BORDER_WRAP)
    return np.asarray(turned[SIDE // 2 : SIDE // 2 + SIDE, SIDE // 2 : SIDE // 2 + SIDE], np.float32)


def blob(rng: np.random.Generator, centre: Pair, radius: float, stretch: float = 1.0) -> BoolArray:
    """An outline (SIDE, SIDE) around a place; its radius wavers, and it can be longer than wide."""
    y, x = (np.mgrid[:SIDE, :SIDE] + 0.5) / SIDE
    angle = float(rng.uniform(0, np.pi))
    dy, dx = y - centre[0], x - centre[1]
    along = (dx * np.cos(angle) + dy * np.sin(angle)) / np.sqrt(stretch)
    across = (dy * np.cos(angle) - dx * np.sin(angle)) * np.sqrt(stretch)
    turn = np.arctan2(across, along)
    wave = 1 + sum(rng.uniform(-0.1, 0.1) * np.cos(n * turn + rng.uniform(0, 6.3)) for n in (2, 3, 4))
    return np.asarray(np.hypot(along, across) < radius * wave)


def somewhere(rng: np.random.Generator, radius: float) -> Pair:
    """A centre from which so much lies inside the picture."""
    low, high = min(radius + 0.04, 0.5), max(0.96 - radius, 0.5)
    return float(rng.uniform(low, high)), float(rng.uniform(low, high))


def soft(shape: BoolArray, width: float) -> Float32Array:
    """An outline as shares 0..1, its edge spread over a width."""
    return np.asarray(cv2.GaussianBlur(shape.astype(np.float32), (0, 0), width * SIDE), np.float32)


def core_of(mask: BoolArray | UInt8Array) -> BoolArray:
    """The inner part of an object, at any size: what lies deeper than a share of its deepest place."""
    depth = ndimage.distance_transform_edt(mask.astype(bool))
    return np.asarray(depth > CORE_FROM * depth.max())


def grey(values: Float32Array, rng: np.random.Generator, noise: float = 3.0) -> Float32Array:
    """A picture with a scanner's noise, above zero: zero would be taken for air."""
    noisy = values + rng.normal(0, noise, values.shape)
    return np.clip(noisy, 1, 255).astype(np.float32)
