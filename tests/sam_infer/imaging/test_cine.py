"""Images and label maps in time: phases are volumes, films are volumes whose slices are phases."""

from __future__ import annotations

from pathlib import Path

import nibabel
import numpy as np
import pytest

from sam_infer.errors import PromptError, VolumeError
from sam_infer.imaging.cine import Cine, CineMask, phase_number
from sam_infer.imaging.image_file import (
    read_cine,
    read_cine_mask,
    read_grid,
    read_image,
    read_marked,
    read_mask,
    write_cine,
    write_cine_mask,
    write_image,
)
from sam_infer.imaging.volume import Phase, Volume
from sam_trainer.synthetic.patients import grid, rotation

GRID = grid((8, 7, 6), (1.0, 1.5, 4.0), rotation(12, -9, 17))


@pytest.fixture
def cine() -> Cine:
    noise = np.random.default_rng(0).integers(0, 900, (5, *GRID.shape)).astype(np.int16)
    return Cine.of([Volume(array, GRID, "MR") for array in noise], 0.04)


def mask(*marked: int, count: int = 5) -> CineMask:
    label = CineMask.empty(GRID, count, 0.04)
    for phase in marked:
        label.phases[phase].array[phase, 1, 2] = 1
    return label


@pytest.mark.parametrize("suffix", [".nii.gz", ".nii", ".nrrd", ".mha"])
def test_phases_places_and_time_survive_every_format(tmp_path: Path, cine: Cine, suffix: str) -> None:
    path = write_cine(cine, tmp_path / f"cine{suffix}")
    back = read_cine(path, "MR")
    assert back.geometry.same_as(GRID) and back.step_s == pytest.approx(0.04, abs=1e-5)
    assert [one.phase for one in back.phases] == [Phase(n, 5, back.step_s) for n in range(5)]
    for ours, theirs in zip(cine.phases, back.phases, strict=True):
        np.testing.assert_array_equal(ours.array, theirs.array)
    geometry, first = read_grid(path)
    assert geometry.same_as(GRID) and first is not None and (first.index, first.count) == (0, 5)
    label = read_cine_mask(write_cine_mask(mask(1, 3), tmp_path / f"label{suffix}"), GRID, 5)
    assert label.marked == (1, 3) and label.values() == [1] and label.geometry.same_as(GRID)


def test_other_tools_read_phases_and_their_distance(tmp_path: Path) -> None:
    other = nibabel.load(write_cine_mask(mask(2), tmp_path / "label.nii.gz"))
    assert other.shape == (*GRID.shape, 5) and other.header.get_xyzt_units() == ("mm", "sec")
    assert other.header.get_zooms()[3] == pytest.approx(0.04)
    np.testing.assert_allclose(other.affine, GRID.affine, atol=1e-4)
    assert np.argwhere(np.asarray(other.dataobj)).tolist() == [[2, 1, 2, 2]]


def test_one_phase_is_an_ordinary_volume(tmp_path: Path, cine: Cine) -> None:
    path = write_cine(cine, tmp_path / "cine.nii.gz")
    np.testing.assert_array_equal(read_image(path, phase=3).array, cine.phases[3].array)
    np.testing.assert_array_equal(read_image(path).array, cine.phases[0].array)
    plain = write_image(cine.phases[0], tmp_path / "plain.nii.gz")
    assert read_image(plain).phase is None and read_grid(plain)[1] is None
    for file, phase, sentence in (
        (path, 5, "from 0 to 4, got 5"),
        (path, -1, "got -1"),
        (plain, 0, "no phases in time"),
    ):
        with pytest.raises(PromptError, match=sentence) as refused:
            read_image(file, phase=phase)
        assert refused.value.field == "phase"


def test_a_label_is_read_by_the_first_phase_that_is_marked(tmp_path: Path) -> None:
    path = write_cine_mask(mask(2, 4), tmp_path / "label.nii.gz")
    found, phase = read_marked(path)
    assert phase == 2 and found.array[2, 1, 2] == 1 and read_mask(path).array.sum() == 1
    assert read_marked(write_cine_mask(mask(), tmp_path / "empty.nii.gz"))[1] == 0


def test_labels_of_other_phases_are_refused(tmp_path: Path) -> None:
    path = write_cine_mask(mask(1), tmp_path / "label.nii.gz")
    for count, sentence in ((4, "has 5 phases; the image has 4"), (1, "has 5 phases; the image has none")):
        with pytest.raises(VolumeError, match=sentence):
            read_cine_mask(path, GRID, count)
    with pytest.raises(VolumeError, match="phases do not fit"):
        write_cine_mask(mask(1), tmp_path / "label.png")


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_film_shows_one_slice_position_in_all_phases(cine: Cine, axis: int) -> None:
    film = cine.film(axis, 3)
    assert film.geometry.shape[axis] == 5 and film.modality == "MR"
    for phase, volume in enumerate(cine.phases):
        there, here = volume.view(axis, 3), film.view(axis, phase)
        np.testing.assert_array_equal(film.pixels(here), volume.pixels(there))
        assert here.pixel_mm == there.pixel_mm
    first = [0.0, 0.0, 0.0]
    placed = list(first)
    placed[axis] = 3.0
    np.testing.assert_allclose(film.geometry.to_world(first), cine.geometry.to_world(placed))
    assert film.geometry.spacing_mm[axis] == pytest.approx(min(film.geometry.spacing_mm))


@pytest.mark.parametrize(("said", "meant"), [(None, None), ("", None), (3, 3), ("3", 3), (3.0, 3), (0, 0)])
def test_a_phase_may_be_said_as_a_number_or_as_text(said: object, meant: int | None) -> None:
    assert phase_number(said) == meant


@pytest.mark.parametrize("said", [-1, "-2", 1.5, "two", True, [1], float("nan"), float("inf")])
def test_what_is_no_phase_is_refused(said: object) -> None:
    with pytest.raises(PromptError, match="phase must be a whole number from 0"):
        phase_number(said)
