"""Cohorts: what each hides, and what would show it; the same cases at every call."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sam_infer.arrays import BoolArray, Float32Array
from sam_trainer.labels.cases import labelled_image, targets_of
from sam_trainer.synthetic.cohorts import pictures, stacks
from sam_trainer.synthetic.cohorts.cohort import COHORTS, OBJECT, cases_of, tag_of
from sam_trainer.synthetic.cohorts.fields import SIDE, blob, core_of, patchwork, texture

# Objects of a cohort of which a claim must hold on average.
DRAWN = 12


def apart(values: Float32Array, mask: BoolArray) -> float:
    """How far the means inside and outside lie from each other, in deviations of the picture."""
    return float(abs(values[mask].mean() - values[~mask].mean()) / values.std())


@pytest.mark.parametrize("draw", [stacks.through_plane, stacks.moving])
def test_a_slice_hides_what_its_neighbour_shows(draw: object) -> None:
    alone, beside = [], []
    for seed in range(DRAWN):
        rng = np.random.default_rng(seed)
        image, mask = (
            stacks.through_plane(rng, "") if draw is stacks.through_plane else stacks.moving(rng, stacks.SHORT)
        )
        assert image.shape == mask.shape == (SIDE, SIDE, stacks.COUNT) and mask.any(axis=(0, 1)).all()
        middle = stacks.COUNT // 2
        here = mask[..., middle] > 0
        alone.append(apart(image[..., middle], here))
        beside.append(apart(np.abs(image[..., middle] - image[..., middle - 1]), here))
    assert np.mean(alone) < 0.8 and np.mean(beside) > 2 * np.mean(alone)


def test_what_moves_is_on_every_frame_somewhere_else_and_long_is_longer() -> None:
    def spread(tag: str) -> float:
        _, mask = stacks.moving(np.random.default_rng(1), tag)
        points = np.argwhere(mask[..., 0])
        low, high = np.linalg.eigvalsh(np.cov(points.T))
        return float(high / low)

    _, mask = stacks.moving(np.random.default_rng(3), stacks.SHORT)
    assert len({tuple(np.argwhere(mask[..., frame]).mean(axis=0)) for frame in range(stacks.COUNT)}) > 1
    assert spread(stacks.LONG) > 2 * spread(stacks.SHORT)


def test_two_scanners_show_the_same_and_mean_something_else() -> None:
    inner, whole = (pictures.two_scanners(np.random.default_rng(5), tag) for tag in (pictures.INNER, pictures.WHOLE))
    np.testing.assert_array_equal(inner[0], whole[0])
    assert (whole[1] & inner[1]).sum() == inner[1].sum() < 0.6 * whole[1].sum()
    assert pictures.meanings(np.random.default_rng(5), "")[1].sum() == whole[1].sum()


def test_textures_differ_in_scale_and_not_in_brightness() -> None:
    differences = []
    for seed in range(DRAWN):
        image, mask = pictures.scales(np.random.default_rng(seed), "")
        differences.append(apart(image, mask))
        rough = np.abs(np.diff(image, axis=0, prepend=image[:1]))
        assert apart(rough, mask) > 0
    assert np.mean(differences) < 0.6


def test_rims_are_rings_of_bright_discs() -> None:
    image, ring = pictures.rims(np.random.default_rng(2), "")
    hole = core_of(blob_around(ring))
    assert ring.any() and not (ring & hole).any()
    assert abs(float(image[ring].mean() - image[hole].mean())) < 15


def blob_around(ring: BoolArray) -> BoolArray:
    """A ring without its hole."""
    rows, cols = np.nonzero(ring)
    y, x = np.mgrid[:SIDE, :SIDE]
    inside = np.hypot(y - rows.mean(), x - cols.mean()) < np.hypot(rows - rows.mean(), cols - cols.mean()).mean()
    return ring | inside


def test_the_middle_one_looks_like_the_others_and_stays_in_the_middle() -> None:
    image, mask = pictures.middle_one(np.random.default_rng(4), "")
    rows, cols = np.nonzero(mask)
    assert abs(rows.mean() / SIDE - 0.5) < 0.05 and abs(cols.mean() / SIDE - 0.5) < 0.05
    corner = image[round(0.18 * SIDE), round(0.18 * SIDE)]
    assert abs(float(image[mask].mean() - corner)) < 30


def test_patches_are_brighter_and_darker_than_their_ground() -> None:
    image, mask = pictures.patches(np.random.default_rng(0), "")
    assert image[mask].std() > 2 * image[~mask].std()
    assert set(np.unique(patchwork(np.random.default_rng(0), 0.1))) == {-1.0, 1.0}


def test_a_core_is_the_same_part_at_any_size() -> None:
    rng = np.random.default_rng(0)
    small, large = (blob(np.random.default_rng(1), (0.5, 0.5), radius) for radius in (0.15, 0.4))
    shares = [core_of(mask).sum() / mask.sum() for mask in (small, large)]
    assert shares[0] == pytest.approx(shares[1], abs=0.06) and 0.15 < shares[0] < 0.5
    field = texture(rng)
    assert abs(float(field.mean())) < 1e-3 and float(field.std()) == pytest.approx(1, abs=1e-3)


def test_cases_are_the_same_at_every_call_and_tags_take_turns(tmp_path: Path) -> None:
    first = cases_of("two scanners", tmp_path / "a", 3, 0)
    again = cases_of("two scanners", tmp_path / "b", 2, 0)
    np.testing.assert_array_equal(labelled_image(first[1])[0].array, labelled_image(again[1])[0].array)
    assert [tag_of(case) for case in first] == [pictures.INNER, pictures.WHOLE, pictures.INNER]
    assert tag_of(cases_of("patches", tmp_path / "a", 1, 0)[0]) == ""
    assert cases_of("two scanners", tmp_path / "a", 1, 1)[0].name != first[0].name


@pytest.mark.parametrize("name", COHORTS)
def test_every_cohort_has_objects_to_be_asked(name: str, tmp_path: Path) -> None:
    (case,) = cases_of(name, tmp_path, 1, 0)
    found = targets_of(case)
    assert found and {target.label for target in found} == {OBJECT} and case.source == name
