"""Patients of other size and place are laid over each other; two seconds, and ITK's modules to load."""

import numpy as np
import pytest

from sam_infer.automatic.registration import register
from sam_infer.errors import PromptError
from sam_infer.imaging.geometry import Geometry
from sam_infer.imaging.volume import Mask, Volume
from sam_trainer.measures.overlap import dice
from sam_trainer.synthetic.patients import ABDOMEN_LABELS, abdomen, grid, render, reoriented, rotation

pytestmark = pytest.mark.slow


def patient(seed: int, shape=(96, 84, 20), spacing=(3.4, 3.2, 9.0), **where) -> tuple[Volume, Mask]:
    """A procedural abdomen; `origin` puts the scanner's origin elsewhere."""
    rng = np.random.default_rng(seed)
    volume, labels = render(abdomen(rng), grid(shape, spacing, where.get("turn")), "CT", rng)
    affine = volume.geometry.affine.copy()
    affine[:3, 3] += where.get("origin", (0, 0, 0))
    geometry = Geometry(shape, affine)
    return Volume(volume.array, geometry, "CT"), Mask(labels.array, geometry)


def overlap(mask: Mask, truth: Mask) -> list[float]:
    return [dice(mask.array == value, truth.array == value) for value in ABDOMEN_LABELS]


def test_organs_of_one_patient_find_those_of_another() -> None:
    volume, truth = patient(11, (90, 80, 22), (3.6, 3.3, 8.0), turn=rotation(5, -4, 6), origin=(40, -30, 60))
    other, labels = patient(1)
    warped = register(volume, other).warp(labels)
    assert warped.geometry.same_as(volume.geometry)
    assert np.mean(overlap(warped, truth)) > 0.85 and min(overlap(warped, truth)) > 0.75


def test_how_a_volume_is_stored_does_not_matter_and_twice_is_the_same() -> None:
    volume, truth = patient(12)
    other, labels = patient(2)
    first = register(volume, other).warp(labels)
    assert np.array_equal(first.array, register(volume, other).warp(labels).array)
    array, geometry = reoriented(volume.array, volume.geometry, (2, 0, 1), (True, False, True))
    expected = Mask(*reoriented(truth.array, volume.geometry, (2, 0, 1), (True, False, True)))
    turned = register(Volume(array, geometry, "CT"), other).warp(labels)
    assert np.mean(overlap(turned, expected)) > 0.85


def test_a_photograph_cannot_be_laid_over_anything() -> None:
    flat = Volume(np.zeros((64, 64, 1), np.int16), grid((64, 64, 1), (1, 1, 1)))
    with pytest.raises(PromptError, match="use mode selfprompt"):
        register(flat, patient(1)[0])
