"""Procedural patients for the learning bench: one anatomy, many bodies.

Each has organs of its own size, place and brightness, lies a little crooked, and is scanned with its own noise and
voxel size. What is held out is drawn apart from what teaches: no patient is in both.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from sam_infer.imaging.image_file import write_image, write_mask
from sam_infer.imaging.volume import Mask, Volume
from sam_trainer.labels.cases import LABELS, Case
from sam_trainer.synthetic.patients import ABDOMEN_LABELS, abdomen, grid, render, rotation

SOURCE = "procedural"

SHAPE, SPACING_MM = (112, 92, 12), (2.9, 2.9, 11.0)

# Brightness of an organ from patient to patient (standard deviation in HU), and how crooked they lie (degrees).
HU_SPREAD, TILT = 12.0, 7.0


def anatomies(folder: Path, count: int, seed: int) -> list[Case]:
    """`count` patients of the sequence that `seed` names, written once."""
    return [_case(folder, f"patient_{seed}_{number:02d}", (seed, number)) for number in range(count)]


def patient(seed: tuple[int, int]) -> tuple[Volume, Mask]:
    """One patient and the labels of the organs."""
    rng = np.random.default_rng(seed)
    solids = [replace(solid, ct_hu=solid.ct_hu + float(rng.normal(0, HU_SPREAD))) for solid in abdomen(rng)]
    zoom = float(rng.uniform(0.9, 1.12))
    spacing = (SPACING_MM[0] * zoom, SPACING_MM[1] * zoom, SPACING_MM[2])
    return render(
        solids,
        grid(SHAPE, spacing, rotation(*rng.uniform(-TILT, TILT, 3))),
        "CT",
        rng,
        noise=float(rng.uniform(1.5, 3.5)),
    )


def _case(folder: Path, name: str, seed: tuple[int, int]) -> Case:
    image, label = folder / f"{name}.nii.gz", folder / LABELS / f"{name}.nii.gz"
    if not label.exists():  # written last
        volume, mask = patient(seed)
        write_image(volume, image)
        write_mask(mask, label)
    return Case(SOURCE, name, image, label, "CT", dict(ABDOMEN_LABELS), {})
