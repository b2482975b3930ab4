"""Cohorts of single pictures: every slice of a case is a picture of its own."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from sam_infer.arrays import BoolArray, Float32Array, UInt8Array
from sam_trainer.synthetic.cohorts.fields import (
    blob,
    core_of,
    grey,
    patchwork,
    soft,
    somewhere,
    texture,
)

# Pictures of a case.
COUNT = 4

INNER, WHOLE = "inner", "whole"

Picture = tuple[Float32Array, BoolArray]
Drawing = Callable[[np.random.Generator, str], Picture]


def gathered(draw: Drawing, rng: np.random.Generator, tag: str) -> tuple[Float32Array, UInt8Array]:
    """So many pictures as the slices of one case."""
    drawn = [draw(rng, tag) for _ in range(COUNT)]
    labels = np.stack([label for _, label in drawn], axis=-1)
    return np.stack([image for image, _ in drawn], axis=-1), labels.astype(np.uint8)


def patches(rng: np.random.Generator, tag: str) -> Picture:
    """An object that is a patchwork of bright and dark: to a network that knows organs, each patch is one."""
    radius = float(rng.uniform(0.16, 0.3))
    shape = blob(rng, somewhere(rng, radius), radius)
    inside = 125 + 55 * patchwork(rng, float(rng.uniform(0.06, 0.1)))
    return grey(np.where(shape, inside, 125 + 16 * texture(rng)).astype(np.float32), rng), shape


def scales(rng: np.random.Generator, tag: str) -> Picture:
    """Two textures of the same brightness that differ in their scales: one is fine and coarse, one lies between."""
    radius = float(rng.uniform(0.16, 0.3))
    shape = blob(rng, somewhere(rng, radius), radius)
    mixed, middle = texture(rng, (0.05, 0.3)), texture(rng, (0.12,))
    return grey(125 + 38 * np.where(shape, mixed, middle).astype(np.float32), rng), shape


def nested(rng: np.random.Generator) -> tuple[Float32Array, BoolArray, BoolArray]:
    """A bright core in an object that is brighter than its ground: picture, core, and the whole."""
    radius = float(rng.uniform(0.17, 0.3))
    whole = blob(rng, somewhere(rng, radius), radius)
    core = core_of(whole)
    levels = 85 + 12 * texture(rng) + 40 * soft(whole, 0.008) + 45 * soft(core, 0.008)
    return grey(levels, rng), core, whole


def two_scanners(rng: np.random.Generator, tag: str) -> Picture:
    """The same pictures from two sites; at one the core is outlined, at the other the whole."""
    image, core, whole = nested(rng)
    return image, core if tag == INNER else whole


def meanings(rng: np.random.Generator, tag: str) -> Picture:
    """The same pictures, always the whole: what a prompt means is a matter of how it is asked (`rules`)."""
    image, _, whole = nested(rng)
    return image, whole


def rims(rng: np.random.Generator, tag: str) -> Picture:
    """A bright disc of which only the outer part is wanted, and no edge shows where it begins."""
    radius = float(rng.uniform(0.17, 0.3))
    disc = blob(rng, somewhere(rng, radius), radius)
    return grey(85 + 12 * texture(rng) + 60 * soft(disc, 0.008), rng), disc & ~core_of(disc)


def middle_one(rng: np.random.Generator, tag: str) -> Picture:
    """Nine discs that look the same, of which the middle one is wanted: turned over or not, it is in the middle."""
    discs = [
        blob(
            rng, (row + float(rng.uniform(-0.03, 0.03)), col + float(rng.uniform(-0.03, 0.03))), rng.uniform(0.08, 0.12)
        )
        for row in (0.18, 0.5, 0.82)
        for col in (0.18, 0.5, 0.82)
    ]
    everything = np.any(discs, axis=0)
    return grey(95 + 14 * texture(rng) + 55 * soft(everything, 0.008), rng), discs[len(discs) // 2]
