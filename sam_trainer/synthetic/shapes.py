"""Outlines anatomy is made of: blobs, irregular patches, tubes. Every outline is (K, 2) float, columns x, y."""

from __future__ import annotations

import cv2
import numpy as np

from sam_infer.arrays import Float64Array

Outline = Float64Array

# Side of the grid that irregular patches are cut from.
PATCH_GRID = 48


def blob(
    rng: np.random.Generator, centre: Outline, radius: float, roughness: float, stretch: float | None = None
) -> Outline:
    """A star-convex outline: an ellipse whose radius is disturbed by a few Fourier terms.

    `stretch` is the spread of the logarithm of its aspect; without it most are compact and some are long.
    """
    angle = np.linspace(0, 2 * np.pi, 72, endpoint=False)
    orders = np.arange(2, 9)
    amplitude = roughness * rng.standard_normal(len(orders)) / orders**1.2
    phase = rng.uniform(0, 2 * np.pi, len(orders))
    r = np.exp((amplitude[:, None] * np.cos(orders[:, None] * angle + phase[:, None])).sum(axis=0))
    if stretch is None:
        stretch = 0.8 if rng.random() < 0.15 else 0.25
    aspect = np.exp(rng.normal(0, stretch))
    local = radius * r[:, None] * np.stack([np.cos(angle) * np.sqrt(aspect), np.sin(angle) / np.sqrt(aspect)], axis=1)
    return centre + local @ rotation(rng.uniform(0, 2 * np.pi))


def bent(rng: np.random.Generator, outline: Outline, strength: float) -> Outline:
    """The outline bent along its own longest direction: bananas, kidneys, crescents."""
    centre = outline.mean(axis=0)
    local = (outline - centre) @ rotation(rng.uniform(0, 2 * np.pi))
    size = np.abs(local).max() + 1e-9
    local[:, 1] += strength * local[:, 0] ** 2 / size
    return centre + local


def patch(rng: np.random.Generator, centre: Outline, radius: float) -> Outline:
    """An irregular outline with bays and arms: smooth noise cut at a threshold that rises outwards."""
    cells = int(rng.integers(4, 8))
    noise = cv2.resize(rng.standard_normal((cells, cells)), (PATCH_GRID, PATCH_GRID), interpolation=cv2.INTER_CUBIC)
    across = np.linspace(-1, 1, PATCH_GRID)
    inside = 1.0 - 2.2 * (across[None] ** 2 + across[:, None] ** 2) + rng.uniform(0.3, 1.1) * noise > 0
    found, _ = cv2.findContours(inside.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    if not found:
        return blob(rng, centre, radius, 0.2)
    outline = max(found, key=cv2.contourArea)[:, 0].astype(np.float64)
    if len(outline) < 12:
        return blob(rng, centre, radius, 0.2)
    smooth = (np.roll(outline, 1, 0) + outline + np.roll(outline, -1, 0)) / 3
    smooth = smooth - (smooth.min(axis=0) + smooth.max(axis=0)) / 2
    turned: Outline = smooth @ rotation(rng.uniform(0, 2 * np.pi))
    return centre + turned * radius / np.abs(turned).max()


def tube(rng: np.random.Generator, start: Outline, length: float, width: float) -> Outline:
    """A curved band of slowly changing width."""
    steps = 14
    heading = rng.uniform(0, 2 * np.pi) + np.cumsum(rng.normal(0, rng.uniform(0.02, 0.3), steps))
    path = start + np.cumsum(np.stack([np.cos(heading), np.sin(heading)], axis=1) * length / steps, axis=0)
    normal = np.stack([-np.sin(heading), np.cos(heading)], axis=1)
    half = 0.5 * width * np.exp(np.cumsum(rng.normal(0, 0.1, steps)))[:, None]
    return np.concatenate([path + normal * half, (path - normal * half)[::-1]])


def shrunk(outline: Outline, share: float, shift: Outline) -> Outline:
    """A smaller copy inside: a lumen, a core, a cup."""
    centre = outline.mean(axis=0)
    return centre + (outline - centre) * share + shift


def mirrored(outline: Outline, axis_x: float) -> Outline:
    """The outline on the other side of a vertical line."""
    return outline * np.array([-1.0, 1.0]) + np.array([2 * axis_x, 0.0])


def rotation(angle: float) -> Outline:
    """2x2 rotation matrix."""
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[c, -s], [s, c]])


def extent(outlines: list[Outline]) -> tuple[Outline, Outline]:
    """Corners of the bounding box of several outlines."""
    everything = np.concatenate(outlines)
    return everything.min(axis=0), everything.max(axis=0)


def branches(rng: np.random.Generator, start: Outline, length: float, width: float, forks: int) -> list[Outline]:
    """A vessel and what branches off it, each thinner than what it leaves: outlines of bands."""
    waiting = [(start, rng.uniform(0, 2 * np.pi), length, width, forks)]
    found: list[Outline] = []
    while waiting:
        at, heading, reach, wide, left = waiting.pop()
        steps = 12
        turns = heading + np.cumsum(rng.normal(0, rng.uniform(0.05, 0.25), steps))
        way = np.stack([np.cos(turns), np.sin(turns)], axis=1)
        path = at + np.cumsum(way * reach / steps, axis=0)
        half = 0.5 * wide * np.linspace(1.0, 0.5, steps)[:, None]
        normal = way[:, ::-1] * np.array([-1.0, 1.0])
        found.append(np.concatenate([path + normal * half, (path - normal * half)[::-1]]))
        share = left // 2
        for part in (share, left - share) if left > 1 else (0,) * left:
            k = int(rng.integers(1, steps - 1))
            aside = turns[k] + rng.choice((-1.0, 1.0)) * rng.uniform(0.3, 1.1)
            thin = 2 * float(half[k, 0]) * rng.uniform(0.5, 0.9)
            waiting.append((path[k], aside, reach * rng.uniform(0.4, 0.9), thin, max(part - 1, 0)))
    return found
