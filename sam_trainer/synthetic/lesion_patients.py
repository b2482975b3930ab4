"""Small procedural patients for active learning: one lesion in an oval body, of a kind that is easy or hard to outline.

The kinds differ in what a network that was never shown one gets wrong: a `node` is one bright blob; the outer part of
the others looks like something else but belongs to the lesion, which is learned from few labels. The generator is
frozen: strategies are compared on it, so it must not change to please one
(tests/sam_trainer/synthetic/test_pools.py holds its voxels).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from sam_infer.imaging.volume import Mask, Volume
from sam_trainer.synthetic.patients import Solid, ellipsoid, grid, render

LESION = 1
LABELS = {LESION: "lesion"}

SHAPE, SPACING_MM = (72, 64, 3), (1.6, 1.6, 6.0)
FAT_HU, TISSUE_HU = -95.0, 35.0

Point = tuple[float, float, float]


@dataclass(frozen=True)
class Patient:
    """What decides a picture: the same patient looks the same but for the noise of the day."""

    kind: str
    seed: tuple[int, ...]
    contrast: float = 1.0  # of the lesion against tissue
    noise: float = 1.0
    visit: int = 0  # a later one differs by noise and by a breath


def picture(patient: Patient) -> tuple[Volume, Mask]:
    """Image and truth of one visit."""
    rng = np.random.default_rng([*patient.seed, 1])
    breath = np.random.default_rng([*patient.seed, 2, patient.visit])
    shift = breath.uniform(-1.2, 1.2, 2) if patient.visit else np.zeros(2)
    side = 1.0 if rng.random() < 0.5 else -1.0
    centre = (side * rng.uniform(12, 26) + shift[0], rng.uniform(-14, 14) + shift[1], 0.0)
    body = [
        Solid(ellipsoid((0, 0, 0), (55, 48, 400), 0.02), 0, FAT_HU, 0.0),
        Solid(ellipsoid((0, 0, 0), (51, 44, 390), 0.02), 0, TISSUE_HU, 0.0),
    ]
    others = [_other(rng, centre) for _ in range(3)]
    lesion = KINDS[patient.kind](rng, centre, patient.contrast)
    return render([*body, *others, *lesion], grid(SHAPE, SPACING_MM), "CT", breath, patient.noise)


def _other(rng: np.random.Generator, centre: Point) -> Solid:
    """Something that is not the lesion, on the other half of the body."""
    place = (-np.sign(centre[0]) * rng.uniform(6, 34), rng.uniform(-26, 26), 0.0)
    radii = rng.uniform(4, 10, 2)
    return Solid(ellipsoid(place, (radii[0], radii[1], 40), rng.uniform(0, 3)), 0, rng.uniform(60, 150), 0.0)


def _hu(contrast: float, above: float) -> float:
    return TISSUE_HU + contrast * above


def _radii(rng: np.random.Generator, low: float, high: float) -> Point:
    a, b = rng.uniform(low, high, 2)
    return float(a), float(b), 60.0


def _node(rng: np.random.Generator, centre: Point, contrast: float) -> list[Solid]:
    return [Solid(ellipsoid(centre, _radii(rng, 9, 14), rng.uniform(0, 3)), LESION, _hu(contrast, 95), 0.0)]


def _rimmed(rng: np.random.Generator, centre: Point, contrast: float) -> list[Solid]:
    """A bright core in a rim that hardly differs from tissue."""
    core = rng.uniform(0.5, 0.65)
    return _shells(rng, centre, contrast, ((1.0, 28), (core, 140)))


def _hollow(rng: np.random.Generator, centre: Point, contrast: float) -> list[Solid]:
    """A wall around a dark lumen."""
    lumen = rng.uniform(0.6, 0.75)
    return _shells(rng, centre, contrast, ((1.0, 110), (lumen, -40)))


def _target(rng: np.random.Generator, centre: Point, contrast: float) -> list[Solid]:
    """A bright core in a dark ring in a bright wall."""
    return _shells(rng, centre, contrast, ((1.0, 90), (0.72, -50), (0.42, 140)))


def _shells(
    rng: np.random.Generator, centre: Point, contrast: float, shells: tuple[tuple[float, float], ...]
) -> list[Solid]:
    """Ellipsoids in each other, from the outside in: share of the radius, HU above tissue."""
    outer, tilt = _radii(rng, 13, 17), rng.uniform(0, 3)
    return [
        Solid(
            ellipsoid(centre, (outer[0] * share, outer[1] * share, outer[2]), tilt), LESION, _hu(contrast, above), 0.0
        )
        for share, above in shells
    ]


KINDS: Mapping[str, Callable[[np.random.Generator, Point, float], list[Solid]]] = {
    "node": _node,
    "rimmed": _rimmed,
    "hollow": _hollow,
    "target": _target,
}
