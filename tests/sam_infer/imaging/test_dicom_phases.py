"""Series with several images at one place: phases, however scanners say them, and what is no phase."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from pydicom import Dataset

from sam_infer.errors import VolumeError
from sam_infer.imaging.dicom_phases import by_phase
from sam_infer.imaging.image_file import read_cine
from sam_trainer.synthetic.heart import beating_heart
from tests.small_cine import PLACES, TIMES, cine_series


def headers(**tags: Callable[[int, int], object]) -> list[Dataset]:
    """Images of two places in three phases, in no order; each tag is a function of place and phase."""
    found = []
    for place, phase in ((1, 2), (0, 0), (1, 0), (0, 2), (0, 1), (1, 1)):
        header = Dataset()
        header.ImageOrientationPatient, header.ImagePositionPatient = [1, 0, 0, 0, 1, 0], [0, 0, 10 * place]
        header.PatientID = f"{phase}{place}"
        for name, value in tags.items():
            setattr(header, name, value(place, phase))
        found.append(header)
    return found


@pytest.mark.parametrize(
    ("tags", "step_s"),
    [
        ({"TriggerTime": lambda place, phase: 40.0 * phase + place}, 0.04),
        ({"TemporalPositionIdentifier": lambda place, phase: phase + 1, "TemporalResolution": lambda *_: 35.0}, 0.035),
        (
            {
                "TemporalPositionIdentifier": lambda place, phase: phase + 1,
                "TriggerTime": lambda place, phase: 50.0 * phase,
            },
            0.05,
        ),
        ({"AcquisitionTime": lambda place, phase: f"1159{58 + phase:02d}" if phase < 2 else "120000"}, 1.0),
        ({"InstanceNumber": lambda place, phase: 3 * place + phase + 1}, 1.0),
    ],
    ids=["trigger", "temporal position", "both", "time of the day", "instance number"],
)
def test_phases_are_ordered_by_what_the_scanner_says(tags: dict, step_s: float) -> None:
    found = by_phase(headers(**tags))
    assert found is not None
    assert [[header.PatientID for header in phase] for phase in found[0]] == [["00", "01"], ["10", "11"], ["20", "21"]]
    assert found[1] == pytest.approx(step_s)


def test_an_ordinary_series_has_no_phases() -> None:
    assert by_phase(headers(TriggerTime=lambda place, phase: phase)[1:3]) is None
    assert by_phase(headers()[:1]) is None


@pytest.mark.parametrize(
    ("tags", "dropped", "sentence"),
    [
        ({"TriggerTime": lambda place, phase: phase}, 1, "3 images at the same place and 2 at another"),
        (
            {"InstanceNumber": lambda place, phase: phase, "EchoTime": lambda place, phase: phase},
            0,
            "differ in EchoTime",
        ),
        ({}, 0, "nothing says in which order"),
    ],
)
def test_what_is_no_cine_is_refused(tags: dict, dropped: int, sentence: str) -> None:
    with pytest.raises(VolumeError, match=sentence):
        by_phase(headers(**tags)[dropped:])


def test_a_folder_of_dicom_files_opens_with_its_phases(tmp_path: Path) -> None:
    cine, _ = beating_heart(np.random.default_rng(0), TIMES, (16, 14, PLACES), (10.0, 10.0, 20.0))
    found = read_cine(cine_series(cine, tmp_path / "series"))
    assert len(found.phases) == TIMES and found.geometry.same_as(cine.geometry) and found.step_s == pytest.approx(0.2)
    for ours, theirs in zip(cine.phases, found.phases, strict=True):
        np.testing.assert_array_equal(ours.array, theirs.array)
