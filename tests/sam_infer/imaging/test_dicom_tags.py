"""The scanner and the view that a DICOM header names, as tags; the rest of it is proved where series are read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian

from sam_infer.imaging.dicom_tags import image_tags
from sam_infer.imaging.volume import NO_TAGS, Tags


def header(folder: Path, **values: Any) -> Path:
    """A DICOM file that says no more than this."""
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    for name, value in values.items():
        setattr(dataset, name, value)
    dataset.is_little_endian, dataset.is_implicit_VR = True, False
    dataset.save_as(folder / "one.dcm")
    return folder / "one.dcm"


def coded(meaning: str) -> Dataset:
    code = Dataset()
    code.CodeMeaning = meaning
    return code


@pytest.mark.parametrize(
    ("values", "tags"),
    [
        ({"Manufacturer": "SIEMENS", "ManufacturerModelName": "Avanto/Fit  =2"}, Tags("siemens avanto fit 2")),
        ({"Manufacturer": "GE"}, Tags("ge")),
        ({"StationName": "MR3", "InstitutionName": "St. Elsewhere"}, NO_TAGS),
        ({"Modality": "MG", "ViewPosition": "MLO"}, Tags(view="mlo")),
        (
            {"Modality": "US", "ViewName": "4 chamber", "ViewCodeSequence": [coded("Parasternal")]},
            Tags(view="parasternal"),
        ),
        ({"Modality": "MR", "SeriesDescription": "cine_SAX_stack"}, Tags(view="sax")),
        ({"Modality": "MR", "SeriesDescription": "CINE short axis"}, Tags(view="sax")),
        ({"Modality": "MR", "SeriesDescription": "tf2d 4CH"}, Tags(view="lax")),
        ({"Modality": "MR", "SeriesDescription": "SAX and LAX"}, NO_TAGS),
        ({"Modality": "MR", "SeriesDescription": "relaxed T1"}, NO_TAGS),
        ({"Modality": "CT", "SeriesDescription": "short axis"}, NO_TAGS),
    ],
)
def test_only_what_can_be_relied_on_names_scanner_and_view(tmp_path: Path, values: dict[str, Any], tags: Tags) -> None:
    assert image_tags(header(tmp_path, **values)) == tags


def test_a_header_that_cannot_be_read_says_nothing(tmp_path: Path) -> None:
    (tmp_path / "noise.dcm").write_bytes(bytes(range(256)) * 4)
    assert image_tags(tmp_path / "noise.dcm") == image_tags(tmp_path / "none.dcm") == NO_TAGS
