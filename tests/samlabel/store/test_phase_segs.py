"""A series with phases in an archive: one image, and a DICOM segmentation for each phase of its label."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from monailabel.config import settings
from pydicom import dcmread

from sam_infer.imaging.cine import Cine, CineMask
from sam_infer.imaging.image_file import read_cine, read_cine_mask, write_cine_mask, write_mask
from sam_trainer.synthetic.heart import beating_heart
from samlabel.dicom_store.process import StoreProcess
from samlabel.store.archive import DicomWebStore, open_archive
from tests.small_cine import PLACES, SERIES, TIMES, cine_series

pytestmark = pytest.mark.slow  # the host is imported, and a store process runs

UID = SERIES.uid("series")
INFO = {"label_info": [{"name": "left ventricle"}, {"name": "myocardium"}], "model": "tiny"}


@pytest.fixture(scope="module")
def heart() -> tuple[Cine, CineMask]:
    return beating_heart(np.random.default_rng(0), TIMES, (16, 14, PLACES), (10.0, 10.0, 20.0))


@pytest.fixture
def store(heart: tuple[Cine, CineMask], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[DicomWebStore]:
    """The host's view of an archive that holds the cine."""
    monkeypatch.setattr(settings, "MONAI_LABEL_DICOMWEB_CACHE_PATH", str(tmp_path / "cache"))
    monkeypatch.setattr(settings, "MONAI_LABEL_DICOMWEB_SEARCH_FILTER", {})
    cine_series(heart[0], tmp_path / "archive" / SERIES.name)
    with StoreProcess(tmp_path / "archive") as archive:
        opened = open_archive(archive.url)
        yield opened
        opened.close()


def test_a_cine_is_served_and_its_label_comes_back_from_the_archive_alone(
    store: DicomWebStore, heart: tuple[Cine, CineMask], tmp_path: Path
) -> None:
    cine, labels = heart
    served = read_cine(store.get_image_uri(UID))
    assert len(served.phases) == TIMES and served.step_s == pytest.approx(0.2, abs=1e-4)
    for ours, theirs in zip(cine.phases, served.phases, strict=True):
        np.testing.assert_array_equal(ours.array, theirs.array)
    grid = served.geometry
    all_phases = CineMask(labels.phases[:3] + CineMask.empty(grid, 1).phases, 0.2)
    store.save_label(UID, str(write_cine_mask(all_phases, tmp_path / "all.nii.gz")), "final", dict(INFO))
    store.save_label(UID, str(write_mask(labels.phases[1], tmp_path / "3.nrrd")), "final", {**INFO, "phase": 3})
    here = read_cine_mask(store.get_label_uri(UID, "final"))
    assert here.marked == (0, 1, 2, 3)
    np.testing.assert_array_equal(here.phases[3].array, labels.phases[1].array)
    segs = [file for file in tmp_path.glob("archive/stored/**/*") if file.is_file()]
    described = {str(dcmread(file, stop_before_pixels=True).SeriesDescription) for file in segs}
    assert {f"Labels: phase {n}, left ventricle, myocardium" for n in range(4)} <= described
    shutil.rmtree(Path(store._datastore.label_path("final")))
    store.refresh()
    store.forget_lists()
    back = read_cine_mask(store.get_label_uri(UID, "final"))
    for ours, theirs in zip(here.phases, back.phases, strict=True):
        np.testing.assert_array_equal(ours.array, theirs.array)
