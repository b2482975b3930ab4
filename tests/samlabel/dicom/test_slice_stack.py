"""Series that are no even stack of slices: served with a warning, or refused with a sentence."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from dicomweb_client import DICOMwebClient
from monailabel.config import settings
from pydicom import Dataset, dcmread
from pydicom.sequence import Sequence
from pydicom.uid import EnhancedCTImageStorage

from sam_infer.errors import VolumeError
from sam_infer.imaging.image_file import read_image, write_mask
from sam_infer.imaging.volume import Mask, Tags
from samlabel.dicom.demo import SMALL, demo_dicom
from samlabel.dicom.seg_read import read_seg
from samlabel.dicom.seg_write import Origin, slices_of, write_seg
from samlabel.dicom.slice_stack import stack_of
from samlabel.dicom_store.process import StoreProcess
from samlabel.store.archive import DicomWebStore, open_archive
from tests.samlabel.conftest import Server

CT = SMALL[0]
SERIES = CT.uid("series")


@pytest.fixture(scope="module")
def master(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return demo_dicom(tmp_path_factory.mktemp("even"), SMALL[:1]) / CT.name


@pytest.fixture
def slices(master: Path) -> list[Dataset]:
    """Six even slices, from the feet to the head."""
    return [dcmread(path) for path in sorted(master.glob("*.dcm"))]


def test_a_series_says_which_scanner_it_comes_from(master: Path) -> None:
    assert read_image(master).tags == Tags("samlabel procedural phantom")
    assert read_image(next(master.glob("*.dcm"))).tags == Tags("samlabel procedural phantom")


def even(slices: list[Dataset]) -> list[Dataset]:
    return slices


def missing(slices: list[Dataset]) -> list[Dataset]:
    return slices[:2] + slices[3:]


def uneven(slices: list[Dataset]) -> list[Dataset]:
    slices[-1].ImagePositionPatient[2] += 9
    return slices


def tilted(slices: list[Dataset]) -> list[Dataset]:
    """The table moves along z while the slices lean: each lies a little further to the back."""
    for number, dataset in enumerate(slices):
        dataset.ImagePositionPatient[1] += number * 18 * np.tan(np.radians(12))
    return slices


def phases(slices: list[Dataset]) -> list[Dataset]:
    slices[3].ImagePositionPatient = slices[2].ImagePositionPatient
    return slices


def localizer(slices: list[Dataset]) -> list[Dataset]:
    slices[0].ImageOrientationPatient = [0, 1, 0, 0, 0, -1]
    return slices


def placeless(slices: list[Dataset]) -> list[Dataset]:
    del slices[4].ImagePositionPatient
    return slices


def multi_frame(slices: list[Dataset]) -> list[Dataset]:
    """All slices in one file, their places in the functional groups: Enhanced CT."""
    whole = slices[0]
    whole.SOPClassUID = whole.file_meta.MediaStorageSOPClassUID = EnhancedCTImageStorage
    frames = []
    for dataset in slices:
        place, frame = Dataset(), Dataset()
        place.ImagePositionPatient = dataset.ImagePositionPatient
        frame.PlanePositionSequence = Sequence([place])
        frames.append(frame)
    whole.PixelData = b"".join(dataset.PixelData for dataset in slices)
    whole.NumberOfFrames = len(slices)
    whole.PerFrameFunctionalGroupsSequence = Sequence(frames)
    del whole.ImagePositionPatient
    return [whole]


SERVED = [(even, None), (missing, "18.00 to 36.00 mm"), (uneven, "18.00 to 27.00 mm"), (tilted, "12.0 degrees")]
REFUSED = [
    (phases, "same place"),
    (localizer, "not one volume"),
    (placeless, "ImagePositionPatient is missing"),
    (multi_frame, "multi-frame"),
]

Change = Callable[[list[Dataset]], list[Dataset]]


@pytest.mark.parametrize(("change", "sentence"), SERVED)
def test_odd_stacks_are_said(slices: list[Dataset], change: Change, sentence: str | None) -> None:
    stack = stack_of(change(slices)[::-1])
    assert (sentence in stack.note) if sentence and stack.note else stack.note is sentence
    places = [float(stack.normal @ np.asarray(s.ImagePositionPatient, float)) for s in stack.slices]
    assert places == sorted(places)


@pytest.mark.parametrize(("change", "sentence"), REFUSED)
def test_what_is_no_stack_is_refused(slices: list[Dataset], change: Change, sentence: str) -> None:
    with pytest.raises(VolumeError, match=sentence):
        stack_of(change(slices))


@pytest.fixture
def serve(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[list[Dataset]], DicomWebStore]]:
    """The host's view of an archive that holds one changed series."""
    monkeypatch.setattr(settings, "MONAI_LABEL_DICOMWEB_CACHE_PATH", str(tmp_path / "cache"))
    monkeypatch.setattr(settings, "MONAI_LABEL_DICOMWEB_SEARCH_FILTER", {})
    opened: list[DicomWebStore] = []
    with StoreProcess(tmp_path / "archive") as archive:

        def serve(changed: list[Dataset]) -> DicomWebStore:
            DICOMwebClient(archive.url).store_instances(changed)
            opened.append(open_archive(archive.url))
            return opened[0]

        yield serve
        for store in opened:
            store.close()


@pytest.mark.slow
@pytest.mark.parametrize(("change", "sentence"), SERVED[1:])
def test_odd_series_are_served_with_a_warning_and_take_labels(
    slices: list[Dataset],
    serve: Callable[[list[Dataset]], DicomWebStore],
    tmp_path: Path,
    change: Change,
    sentence: str,
) -> None:
    changed = change(slices)
    store = serve(changed)
    served = read_image(store.get_image_uri(SERIES))
    assert sentence in store.get_image_info(SERIES)["note"]
    # voxel for voxel the stored slices, in their order
    for k, source in enumerate(slices_of(changed, served.geometry)):
        np.testing.assert_array_equal(served.array[:, :, k].T, source.pixel_array + int(source.RescaleIntercept))
    array = np.zeros(served.geometry.shape, np.uint8)
    array[4:12, 6:13, 1:4] = 1
    file = write_mask(Mask(array, served.geometry), tmp_path / "label.nrrd")
    store.save_label(SERIES, str(file), "final", {"label_info": [{"name": "liver"}]})
    assert store.get_labeled_images() == [SERIES]
    # every marked slice of the SEG refers to the slice that was marked
    seg = write_seg(Mask(array, served.geometry), {1: "liver"}, changed, Origin())
    marked = {
        item.DerivationImageSequence[0].SourceImageSequence[0].ReferencedSOPInstanceUID
        for item in seg.PerFrameFunctionalGroupsSequence
    }
    assert marked == {source.SOPInstanceUID for source in slices_of(changed, served.geometry)[1:4]}


@pytest.mark.slow
@pytest.mark.parametrize(("change", "sentence"), [REFUSED[0], REFUSED[3]])
def test_refused_series_say_why(
    slices: list[Dataset], serve: Callable[[list[Dataset]], DicomWebStore], change: Change, sentence: str
) -> None:
    store = serve(change(slices))
    for _ in range(2):  # a refusal is not remembered as an image
        with pytest.raises(VolumeError, match=sentence):
            store.get_image_uri(SERIES)
    assert store.list_images() == [SERIES]


@pytest.mark.slow
def test_readers_are_warned_and_not_sent_to_what_cannot_be_opened(
    server: Server,
    slices: list[Dataset],
    serve: Callable[[list[Dataset]], DicomWebStore],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    other = demo_dicom(tmp_path, SMALL[2:]) / SMALL[2].name
    odd = missing([dcmread(path) for path in sorted(other.glob("*.dcm"))])
    store = serve(multi_frame(slices) + odd)
    for name in ("_store", "_datastore"):
        monkeypatch.setattr(server.app, name, store)
    unusable, usable = SERIES, SMALL[2].uid("series")
    for _ in range(5):
        assert server.client.post("/activelearning/random", json={}).json()["id"] == usable
    assert store.leases.of_others("somebody else") == {usable}
    assert "18.00 to 36.00 mm" in server.client.get(f"/datastore/image/info?image={usable}").json()["note"]
    answer = server.click(usable, foreground=[[12, 10, 2]])
    assert answer.status == 200 and "18.00 to 36.00 mm" in answer.facts["warnings"][-1]
    refused = server.click(unusable, foreground=[[12, 10, 2]])
    assert refused.status == 422 and "multi-frame" in refused.facts["detail"]


def test_an_even_series_reads_back_equal(slices: list[Dataset], master: Path) -> None:
    mask = Mask(CT.build()[1].array, read_image(master).geometry)
    names = {int(value): f"label {value}" for value in np.unique(mask.array) if value}
    back, _ = read_seg(write_seg(mask, names, slices, Origin()), mask.geometry)
    np.testing.assert_array_equal(back.array > 0, mask.array > 0)
