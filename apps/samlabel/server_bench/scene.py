"""Benchmark inputs: seeded CT-like volumes, and hints on an organ that is surely there."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sam_infer.imaging.geometry import Geometry
from sam_infer.imaging.image_file import write_image
from sam_infer.imaging.volume import Volume

SHAPE = (512, 512, 120)
THIN_SHAPE = (512, 512, 8)  # for 3D: the stock server needs several seconds per slice
SPACING_MM = (0.8, 0.8, 2.5)

# The organ's centre and half axes, as shares of the shape.
CENTRE = np.array([0.64, 0.5, 0.5])
RADII = np.array([0.14, 0.12, 0.34])

# Clicks on one object.
ANSWERS = 5


@dataclass(frozen=True)
class Scene:
    """One volume of a studies folder."""

    image: str
    shape: tuple[int, int, int]
    file: Path | None = None

    @property
    def middle(self) -> int:
        """The slice in the middle of the organ."""
        return int(self.shape[2] * CENTRE[2])

    def points(self, count: int, k: int, seed: int) -> list[list[int]]:
        """Voxels inside the organ on slice `k`, the same for the same seed."""
        rng = np.random.default_rng([seed, k])
        angle, reach = rng.uniform(0, 2 * np.pi, count), 0.5 * np.sqrt(rng.uniform(0, 1, count))
        i = (CENTRE[0] + RADII[0] * reach * np.cos(angle)) * self.shape[0]
        j = (CENTRE[1] + RADII[1] * reach * np.sin(angle)) * self.shape[1]
        return [[round(a), round(b), k] for a, b in zip(i, j, strict=True)]

    def clicks(self, count: int, k: int, seed: int = 0) -> dict[str, Any]:
        """A request with so many clicks."""
        return {"foreground": self.points(count, k, seed), "background": []}

    def growing(self, k: int, seed: int) -> list[dict[str, Any]]:
        """A reader clicks on one object again and again; as viewers send it: all clicks every time."""
        points = self.points(ANSWERS, k, seed)
        return [{"foreground": points[:count], "background": []} for count in range(1, ANSWERS + 1)]

    def box(self, k: int) -> dict[str, Any]:
        """A request with the organ's box on slice `k`."""
        low, high = (CENTRE - RADII) * self.shape, (CENTRE + RADII) * self.shape
        i0, j0, i1, j1 = (round(float(v)) for v in (low[0], low[1], high[0], high[1]))
        return {"foreground": [], "background": [], "roi": [i0, i1, j0, j1, k, k + 1], "slice": k}


def write_scenes(folder: Path, count: int, shape: tuple[int, int, int] = SHAPE, name: str = "case") -> list[Scene]:
    """So many volumes (.nii.gz, int16) in a studies folder; those that are there already stay."""
    scenes = []
    for number in range(count):
        path = folder / f"{name}{number}.nii.gz"
        if not path.exists():
            write_image(_volume(shape, number), path)
        scenes.append(Scene(f"{name}{number}", shape, path))
    return scenes


def _volume(shape: tuple[int, int, int], seed: int) -> Volume:
    """Air, a body, an organ in it, noise: stored i fastest, as files are."""
    rng = np.random.default_rng(seed)
    share = [((np.arange(n) + 0.5) / n).astype(np.float32) for n in shape]
    k, j, i = np.meshgrid(share[2], share[1], share[0], indexing="ij", sparse=True)
    organ = ((i - CENTRE[0]) / RADII[0]) ** 2 + ((j - CENTRE[1]) / RADII[1]) ** 2 + ((k - CENTRE[2]) / RADII[2]) ** 2
    body = ((i - 0.5) / 0.43) ** 2 + ((j - 0.5) / 0.35) ** 2 + 0 * k
    values = np.where(organ < 1, 120, np.where(body < 1, 40, -1000)).astype(np.int16)
    values += rng.normal(0, 15, values.shape).astype(np.int16)
    return Volume(values.transpose(2, 1, 0), Geometry(shape, np.diag([*SPACING_MM, 1.0])), "CT")
