"""Cohorts of slices and frames: no single one shows the object, what lies beside it does."""

from __future__ import annotations

import cv2
import numpy as np

from sam_infer.arrays import Float32Array, UInt8Array
from sam_trainer.synthetic.cohorts.fields import SIDE, blob, grey, soft, somewhere, texture

# Slices, or frames, of a case.
COUNT = 5

# How far an object swings between frames, and frames of a whole swing.
SWING, PERIOD = 0.14, 6.0

SHORT, LONG = "short", "long"

Case3D = tuple[Float32Array, UInt8Array]


def through_plane(rng: np.random.Generator, tag: str) -> Case3D:
    """An object that is brighter than its ground on every second slice, and darker on the others, by little.

    The ground is the same on all slices and much rougher than that: on one slice there is nothing to see, the
    difference of two shows the object alone.
    """
    ground, radius = texture(rng), float(rng.uniform(0.09, 0.26))
    shape = blob(rng, somewhere(rng, radius), radius)
    faint, first = soft(shape, 0.015), int(rng.integers(2))
    slices = [grey(125 + 38 * ground + (16 if (z + first) % 2 else -16) * faint, rng) for z in range(COUNT)]
    return np.stack(slices, axis=-1), np.stack([shape.astype(np.uint8)] * COUNT, axis=-1)


def moving(rng: np.random.Generator, tag: str) -> Case3D:
    """A piece of the ground's own texture that swings to and fro: only what changes shows it; seen short, or long."""
    ground, own, radius = texture(rng), texture(rng), float(rng.uniform(0.11, 0.2))
    shape = blob(rng, somewhere(rng, radius + SWING / 2), radius, 2.2 if tag == LONG else 1.0)
    way, begin = float(rng.uniform(0, 2 * np.pi)), float(rng.uniform(0, PERIOD))
    slices, masks = [], []
    for frame in range(COUNT):
        far = SWING * SIDE * np.sin(2 * np.pi * (frame + begin) / PERIOD)
        shift = np.array([[1, 0, far * np.cos(way)], [0, 1, far * np.sin(way)]], np.float32)
        here = cv2.warpAffine(shape.astype(np.uint8), shift, (SIDE, SIDE), flags=cv2.INTER_NEAREST)
        moved = cv2.warpAffine(own, shift, (SIDE, SIDE), borderMode=cv2.BORDER_REFLECT)
        covers = soft(here > 0, 0.012)
        slices.append(grey(125 + 36 * (ground * (1 - covers) + moved * covers), rng))
        masks.append(here)
    return np.stack(slices, axis=-1), np.stack(masks, axis=-1).astype(np.uint8)
