"""One DICOM file with all slices of all phases: read as phases, each on its own grid of slices."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sam_infer.imaging.cine import Cine
from sam_infer.imaging.dicom_frames import frames_in_time
from sam_infer.imaging.image_file import read_cine
from sam_trainer.synthetic.heart import beating_heart
from tests.small_cine import PLACES, TIMES, cine_file


@pytest.fixture(scope="module")
def cine() -> Cine:
    return beating_heart(np.random.default_rng(0), TIMES, (16, 14, PLACES), (10.0, 10.0, 20.0))[0]


def test_frames_are_sorted_by_place_and_time(cine: Cine, tmp_path: Path) -> None:
    found = frames_in_time(cine_file(cine, tmp_path / "cine.dcm"))
    assert found is not None and found.geometry.same_as(cine.geometry)
    assert [sorted(phase) for phase in found.phases] == [[9, 10, 11], [6, 7, 8], [3, 4, 5], [0, 1, 2]]


@pytest.mark.parametrize("alone", [True, False])
def test_the_file_opens_with_its_phases_alone_and_in_a_folder(cine: Cine, tmp_path: Path, alone: bool) -> None:
    path = cine_file(cine, tmp_path / "series" / "cine.dcm")
    read = read_cine(path if alone else path.parent)
    assert len(read.phases) == TIMES and read.geometry.same_as(cine.geometry)
    for ours, theirs in zip(cine.phases, read.phases, strict=True):
        np.testing.assert_array_equal(ours.array, theirs.array)


def test_a_file_of_one_phase_has_none(cine: Cine, tmp_path: Path) -> None:
    assert frames_in_time(cine_file(Cine(cine.phases[:1]), tmp_path / "one.dcm")) is None
