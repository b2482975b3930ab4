"""The cohorts by name, and their cases as files: drawn by name, seed and number, written once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from sam_infer.arrays import Float32Array, UInt8Array
from sam_infer.imaging.image_file import write_image, write_mask
from sam_infer.imaging.volume import Mask, Volume
from sam_trainer.labels.cases import LABELS, Case
from sam_trainer.synthetic.cohorts import pictures, stacks
from sam_trainer.synthetic.patients import grid

# Spacing in mm: slices lie clearly further apart than pixels.
SPACING_MM = (2.0, 2.0, 8.0)

OBJECT = "object"


@dataclass(frozen=True)
class Cohort:
    """What is drawn, and the tags that its cases have in turn."""

    draw: Callable[[np.random.Generator, str], tuple[Float32Array, UInt8Array]]
    tags: tuple[str, ...] = ()


def _of(draw: pictures.Drawing, *tags: str) -> Cohort:
    return Cohort(partial(pictures.gathered, draw), tags)


COHORTS: Mapping[str, Cohort] = {
    "patches": _of(pictures.patches),
    "through plane": Cohort(stacks.through_plane),
    "moving": Cohort(stacks.moving, (stacks.SHORT, stacks.LONG)),
    "scales": _of(pictures.scales),
    "rims": _of(pictures.rims),
    "middle one": _of(pictures.middle_one),
    "two scanners": _of(pictures.two_scanners, pictures.INNER, pictures.WHOLE),
    "meanings": _of(pictures.meanings),
}


def cases_of(name: str, folder: Path, count: int, seed: int) -> list[Case]:
    """`count` cases of a cohort, of the sequence that `seed` names."""
    return [_case(name, folder, seed, number) for number in range(count)]


def tag_of(case: Case) -> str:
    """The tag of a case of a cohort; nothing where the cohort has none."""
    tags, number = COHORTS[case.source].tags, int(case.name.rpartition("_")[2])
    return tags[number % len(tags)] if tags else ""


def _case(cohort: str, folder: Path, seed: int, number: int) -> Case:
    name = f"{cohort.replace(' ', '_')}_{seed}_{number:02d}"
    image, label = folder / f"{name}.nii.gz", folder / LABELS / f"{name}.nii.gz"
    case = Case(cohort, name, image, label, "MR", {1: OBJECT}, {})
    if not label.exists():  # written last
        entry = list(COHORTS).index(cohort)
        values, truth = COHORTS[cohort].draw(np.random.default_rng((entry, seed, number)), tag_of(case))
        i, j, k = values.shape
        geometry = grid((i, j, k), SPACING_MM)
        write_image(Volume(np.asfortranarray(values.astype(np.int16)), geometry, "MR"), image)
        write_mask(Mask(np.asfortranarray(truth), geometry), label)
    return case
