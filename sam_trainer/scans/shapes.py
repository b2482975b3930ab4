"""Outlines anatomy is made of: blobs, lobes, tubes. Every outline is (K, 2) float, columns x, y."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Outline = npt.NDArray[np.float64]


def blob(rng: np.random.Generator, centre: Outline, radius: float, roughness: float) -> Outline:
    """A star-convex outline: an ellipse whose radius is disturbed by a few Fourier terms."""
    angle = np.linspace(0, 2 * np.pi, 72, endpoint=False)
    orders = np.arange(2, 9)
    amplitude = roughness * rng.standard_normal(len(orders)) / orders**1.2
    phase = rng.uniform(0, 2 * np.pi, len(orders))
    r = np.exp((amplitude[:, None] * np.cos(orders[:, None] * angle + phase[:, None])).sum(axis=0))
    aspect = np.exp(rng.normal(0, 0.3))
    turn = rng.uniform(0, 2 * np.pi)
    local = radius * r[:, None] * np.stack([np.cos(angle) * np.sqrt(aspect), np.sin(angle) / np.sqrt(aspect)], axis=1)
    return centre + local @ rotation(turn)


def bent(rng: np.random.Generator, outline: Outline, strength: float) -> Outline:
    """The outline bent along its own longest direction: bananas, kidneys, crescents."""
    centre = outline.mean(axis=0)
    local = (outline - centre) @ rotation(rng.uniform(0, 2 * np.pi))
    size = np.abs(local).max() + 1e-9
    local[:, 1] += strength * local[:, 0] ** 2 / size
    return centre + local


def tube(rng: np.random.Generator, start: Outline, length: float, width: float) -> Outline:
    """A curved band of slowly changing width."""
    steps = 14
    heading = rng.uniform(0, 2 * np.pi) + np.cumsum(rng.normal(0, 0.28, steps))
    path = start + np.cumsum(np.stack([np.cos(heading), np.sin(heading)], axis=1) * length / steps, axis=0)
    normal = np.stack([-np.sin(heading), np.cos(heading)], axis=1)
    half = 0.5 * width * np.exp(np.cumsum(rng.normal(0, 0.1, steps)))[:, None]
    return np.concatenate([path + normal * half, (path - normal * half)[::-1]])


def shrunk(outline: Outline, share: float, shift: Outline) -> Outline:
    """A smaller copy inside: a lumen, a core, a cup."""
    centre = outline.mean(axis=0)
    return centre + (outline - centre) * share + shift


def rotation(angle: float) -> Outline:
    """2x2 rotation matrix."""
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[c, -s], [s, c]])


def extent(outline: Outline) -> float:
    """Longest side of the outline's bounding box."""
    return float(np.ptp(outline, axis=0).max())
