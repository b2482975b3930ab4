"""A procedural heart that beats: cine scans across its long axis, with what they show in every phase.

The left chamber is a bright pool in a ring of muscle that grows thicker as the pool grows smaller; the right chamber
lies beside it, and the whole moves a little. Nothing in it is symmetric.
"""

from __future__ import annotations

import numpy as np

from sam_infer.arrays import Float64Array
from sam_infer.imaging.cine import Cine, CineMask
from sam_infer.imaging.geometry import Geometry
from sam_infer.imaging.volume import Mask, Volume
from sam_trainer.synthetic.patients import Distance, Solid, ellipsoid, grid, render

POOL, MUSCLE = 1, 2
NAMES = {POOL: "left ventricle", MUSCLE: "myocardium"}

# Share of its width that the pool loses at its smallest, and how much thicker its wall is then.
SQUEEZE, THICKEN = 0.35, 0.5

SHAPE, SPACING, BEAT_S = (64, 56, 6), (2.5, 2.5, 10.0), 0.8


def beating_heart(
    rng: np.random.Generator,
    phases: int = 10,
    shape: tuple[int, int, int] = SHAPE,
    spacing: tuple[float, float, float] = SPACING,
    noise: float = 1.0,
) -> tuple[Cine, CineMask]:
    """One beat as a cine, and its labels: the pool and its wall. Phase 0 is the widest."""
    geometry = grid(shape, spacing)
    seen = [_phase(geometry, n / phases, rng, noise) for n in range(phases)]
    step_s = round(BEAT_S / phases, 6)
    return Cine.of([volume for volume, _ in seen], step_s), CineMask(tuple(labels for _, labels in seen), step_s)


def _phase(geometry: Geometry, share: float, rng: np.random.Generator, noise: float) -> tuple[Volume, Mask]:
    """The heart at a share of the beat."""
    squeezed = (1 - np.cos(2 * np.pi * share)) / 2
    width, wall = 24.0 * (1 - SQUEEZE * squeezed), 9.0 * (1 + THICKEN * squeezed)
    centre = (4.0 - 3.0 * squeezed, -3.0 + 2.0 * squeezed, 0.0)
    pool = ellipsoid(centre, (width, 0.85 * width, 60.0), 0.4)
    whole = ellipsoid(centre, (width + wall, 0.85 * width + wall, 60.0 + wall), 0.4)
    right = ellipsoid((centre[0] + 38.0, centre[1] + 10.0, 0.0), (20.0 * (1 - 0.2 * squeezed), 26.0, 55.0), -0.3)
    chest = ellipsoid((0.0, 0.0, 0.0), (78.0, 66.0, 400.0))
    solids = [
        Solid(chest, 0, 40.0, 75.0),
        Solid(_lung, 0, -800.0, 15.0),
        Solid(right, 0, 140.0, 190.0),
        Solid(whole, MUSCLE, 60.0, 70.0),
        Solid(pool, POOL, 150.0, 200.0),
    ]
    return render(solids, geometry, "MR", rng, noise=noise)


def _lung(points: Float64Array) -> Float64Array:
    left: Distance = ellipsoid((-58.0, 12.0, 0.0), (26.0, 44.0, 400.0), 0.2)
    return left(points)
