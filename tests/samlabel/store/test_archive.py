"""Labels on a DICOMweb archive: stored as SEG, listed at once, fetched, withdrawn."""

import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from dicomweb_client import DICOMwebClient
from monailabel.config import settings

from sam_infer.errors import VolumeError
from sam_infer.imaging.image_file import read_image, read_mask, write_mask
from sam_infer.imaging.volume import Mask
from sam_trainer.active.offer import Wish
from sam_trainer.active.policy import SelectionPolicy
from sam_trainer.active.selection import Selection
from sam_trainer.studies import Studies
from sam_trainer.synthetic.patients import ABDOMEN_LABELS
from samlabel.access import identity
from samlabel.dicom.demo import SMALL, demo_dicom
from samlabel.dicom.seg_write import Origin, referenced_series, write_seg
from samlabel.dicom_store.process import StoreProcess
from samlabel.errors import ArchiveError, NotFoundError, RefusedError
from samlabel.label_names import LabelNames
from samlabel.logins.projects import ProjectFilter
from samlabel.loop.accepted_labels import note_label
from samlabel.loop.answers_given import Work
from samlabel.store.archive import DicomWebStore, open_archive
from samlabel.store.archive_labels import names_of, origin_of
from samlabel.store.cases import cases_of

pytestmark = pytest.mark.slow  # the host, ITK and SimpleITK are imported, and a store process runs

CT, MR, OTHER = SMALL
SERIES = CT.uid("series")
INFO = {"label_info": [{"name": name, "idx": 9} for name in ABDOMEN_LABELS.values()], "model": "tiny"}


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StoreProcess]:
    with StoreProcess(demo_dicom(tmp_path_factory.mktemp("archive"), SMALL)) as running:
        yield running


@pytest.fixture
def store(archive: StoreProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[DicomWebStore]:
    """A fresh view of the archive, whose labels of earlier tests are gone."""
    shutil.rmtree(archive.folder / "stored", ignore_errors=True)
    monkeypatch.setattr(settings, "MONAI_LABEL_DICOMWEB_CACHE_PATH", str(tmp_path / "cache"))
    monkeypatch.setattr(settings, "MONAI_LABEL_DICOMWEB_SEARCH_FILTER", {})
    opened = open_archive(archive.url)
    yield opened
    opened.close()


def label_file(store: DicomWebStore, folder: Path) -> tuple[Path, Mask]:
    """The true label map on the grid of the served image."""
    grid = read_image(store.get_image_uri(SERIES)).geometry
    mask = Mask(CT.build()[1].array, grid)
    return write_mask(mask, folder / "label.nrrd"), mask


def test_every_modality_is_offered(store: DicomWebStore) -> None:
    assert set(store.list_images()) == {series.uid("series") for series in SMALL}


def test_projects_see_what_the_archive_says_of_a_series(store: DicomWebStore) -> None:
    cases = {case.image: case for case in cases_of(store)}
    assert set(cases) == set(store.list_images()) and cases_of(store) is cases_of(store)
    case = cases[SERIES]
    assert (case.study, case.modality) == (CT.uid("study"), "CT") and case.patient and case.description
    assert ProjectFilter("a", patients=(case.patient,), modalities=("CT",)).holds(case)


def test_images_are_neither_put_beside_the_archive_nor_taken_out_of_it(store: DicomWebStore, tmp_path: Path) -> None:
    """An upload was answered 200 and never seen again."""
    file = write_mask(label_file(store, tmp_path)[1], tmp_path / "a.nii.gz")
    with pytest.raises(RefusedError, match="store the DICOM files there"):
        store.add_image("a", str(file), {})
    with pytest.raises(RefusedError, match="delete them there"):
        store.remove_image(SERIES)
    assert set(store.list_images()) == {series.uid("series") for series in SMALL}


def test_the_served_image_is_the_series(store: DicomWebStore) -> None:
    for series in SMALL:
        volume, served = series.build()[0], read_image(store.get_image_uri(series.uid("series")))
        np.testing.assert_array_equal(served.array, volume.array)
        assert served.geometry.same_as(volume.geometry)


def test_a_saved_label_is_a_seg_in_the_archive_and_listed_at_once(
    archive: StoreProcess, store: DicomWebStore, tmp_path: Path
) -> None:
    assert store.get_labeled_images() == []
    file, mask = label_file(store, tmp_path)
    with identity.acting_as("dr.lee"):
        store.save_label(SERIES, str(file), "final", INFO)
    assert store.get_labeled_images() == [SERIES] and SERIES not in store.get_unlabeled_images()
    client = DICOMwebClient(archive.url)
    (found,) = client.search_for_series(CT.uid("study"), search_filters={"Modality": "SEG"})
    (seg,) = client.retrieve_series(CT.uid("study"), found["0020000E"]["Value"][0])
    assert referenced_series(seg) == SERIES and seg.ContentCreatorName == "dr.lee^"
    present = [ABDOMEN_LABELS[int(v)] for v in np.unique(mask.array) if v]
    assert [item.SegmentLabel for item in seg.SegmentSequence] == present
    assert store.get_label_info(SERIES, "final")["SeriesInstanceUID"] == seg.SeriesInstanceUID
    np.testing.assert_array_equal(read_mask(store.get_label_uri(SERIES, "final")).array, mask.array)


def test_what_was_just_labelled_is_not_offered_though_the_archives_list_is_old(
    archive: StoreProcess, store: DicomWebStore, tmp_path: Path
) -> None:
    studies = Studies.of(archive.url)
    selection, before = Selection(studies, SelectionPolicy(), lambda: "none"), list(store.get_unlabeled_images())
    offered = {offer.case for n in range(20) if (offer := selection.next(Wish("random", "anna", n), before))}
    assert SERIES in offered
    file, _ = label_file(store, tmp_path)
    store.save_label(SERIES, str(file), "final", INFO)
    taken = note_label(store, studies, LabelNames(), SERIES, Work(time.time()))
    assert taken is not None and taken.new
    offered = {offer.case for n in range(20) if (offer := selection.next(Wish("random", "anna", n), before))}
    assert offered == set(before) - {SERIES}


def test_saving_twice_stores_once(archive: StoreProcess, store: DicomWebStore, tmp_path: Path) -> None:
    file, _ = label_file(store, tmp_path)
    for _ in range(2):
        store.save_label(SERIES, str(file), "final", INFO)
    client = DICOMwebClient(archive.url)
    assert len(client.search_for_series(CT.uid("study"), search_filters={"Modality": "SEG"})) == 1


def test_a_withdrawn_label_does_not_count_until_it_is_saved_again(store: DicomWebStore, tmp_path: Path) -> None:
    file, _ = label_file(store, tmp_path)
    store.save_label(SERIES, str(file), "final", INFO)
    store.remove_label(SERIES, "final")
    assert store.get_labeled_images() == [] and SERIES in store.get_unlabeled_images()
    assert store.datalist() == []
    store.save_label(SERIES, str(file), "final", INFO)
    assert store.get_labeled_images() == [SERIES]


def test_segmentations_of_other_tools_count_and_come_to_the_images_grid(
    archive: StoreProcess, store: DicomWebStore, tmp_path: Path
) -> None:
    file, mask = label_file(store, tmp_path)
    seg = write_seg(read_mask(file), ABDOMEN_LABELS, store._slices(SERIES), Origin(reader="elsewhere"))
    DICOMwebClient(archive.url).store_instances([seg])
    store.forget_lists()
    assert store.get_labeled_images() == [SERIES]
    assert store.get_label_info(SERIES, "final")["imported"]
    (pair,) = store.datalist()
    present = [int(v) for v in np.unique(mask.array) if v]
    renumbered = np.zeros(256, np.uint8)
    renumbered[present] = range(1, len(present) + 1)
    np.testing.assert_array_equal(read_mask(pair["label"]).array, renumbered[mask.array])
    names = [entry["name"] for entry in store.get_label_info(SERIES, "final")["label_info"]]
    assert names == [ABDOMEN_LABELS[v] for v in present]


def test_labels_that_do_not_fit_are_refused_before_anything_is_stored(
    archive: StoreProcess, store: DicomWebStore, tmp_path: Path
) -> None:
    _, mask = label_file(store, tmp_path)
    empty = write_mask(Mask.empty(mask.geometry), tmp_path / "empty.nrrd")
    other = write_mask(OTHER.build()[1], tmp_path / "other.nrrd")
    moved = read_mask(other)
    moved.geometry.affine.setflags(write=True)
    moved.geometry.affine[0, 3] += 4
    elsewhere = write_mask(moved, tmp_path / "elsewhere.nrrd")
    for file in (empty, elsewhere):
        with pytest.raises(VolumeError):
            store.save_label(SERIES, str(file), "final", INFO)
    assert store.get_labeled_images() == [] and not (archive.folder / "stored").exists()


def test_an_archive_that_is_down_takes_no_label_and_is_found_again(
    store: DicomWebStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, _ = label_file(store, tmp_path)
    client = store._segs._client
    monkeypatch.setattr(store._segs, "_client", DICOMwebClient("http://127.0.0.1:9/dicom-web"))
    with pytest.raises(ArchiveError, match="cannot be reached"):
        store.save_label(SERIES, str(file), "final", INFO)
    with pytest.raises(NotFoundError):
        store._segs._client = client
        store.get_label_uri(SERIES, "final")
    store.save_label(SERIES, str(file), "final", INFO)
    assert store.get_labeled_images() == [SERIES]


def test_names_go_by_position_and_origins_are_checked() -> None:
    assert names_of({"label_info": [{"name": "liver", "idx": 2}, {}, {"name": "graft"}]}, [1, 2, 3, 4]) == {
        1: "liver",
        2: "label 2",
        3: "graft",
        4: "label 4",
    }
    assert origin_of({}, "a").algorithm_type == "SEMIAUTOMATIC"
    assert origin_of({"algorithm_type": "manual"}, "a").algorithm_type == "MANUAL"
    with pytest.raises(VolumeError, match="algorithm_type"):
        origin_of({"algorithm_type": "guess"}, "a")


def test_an_archive_that_is_down_is_said_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The library would ask five times and take half a minute."""
    monkeypatch.setattr(settings, "MONAI_LABEL_DICOMWEB_CACHE_PATH", str(tmp_path / "cache"))
    opened = open_archive("http://127.0.0.1:9/dicom-web")
    for ask in (opened.list_images, opened.get_labeled_images, lambda: opened.get_image_uri(SERIES)):
        started = time.monotonic()
        with pytest.raises(ArchiveError, match="cannot be reached"):
            ask()
        assert time.monotonic() - started < 2
    opened.close()
