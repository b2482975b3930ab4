"""Radiographs, ultrasound and odd series of an archive over HTTP: a click, a label and the same back, or a sentence."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dicomweb_client import DICOMwebClient
from monailabel.config import settings
from pydicom import Dataset

from sam_infer.imaging.geometry import Geometry
from sam_infer.imaging.image_file import read_image, read_mask, write_mask
from sam_infer.imaging.itk_image import LPS_TO_RAS
from sam_infer.imaging.volume import Mask
from samlabel.dicom.demo import SMALL, DemoSeries, demo_dicom, slice_dataset
from samlabel.dicom.flat_demo import FlatDemo
from samlabel.dicom_store.process import StoreProcess
from samlabel.store.archive import DicomWebStore, open_archive
from tests.brief_training import ask_few
from tests.samlabel.conftest import Server

pytestmark = pytest.mark.slow  # a store process, and a training

DX = FlatDemo("FLAT-DX", "DX", (24, 20), 61, spacing="ImagerPixelSpacing")
CINE = FlatDemo("FLAT-CINE", "US", (24, 20), 62, frames=5, spacing="PixelSpacing")
IMAGES = (
    DX,
    FlatDemo("FLAT-CR", "CR", (20, 24), 63),
    FlatDemo("FLAT-MG", "MG", (24, 20), 64, spacing="PixelSpacing"),
    FlatDemo("FLAT-US", "US", (24, 20), 65, colour=True),
    CINE,
)
CT, OBLIQUE, OTHER = SMALL
NAMES = {"label_info": [{"name": name} for name in ("kidney_left", "kidney_right")], "client_id": "anna"}


def odd_series() -> dict[str, list[Dataset]]:
    """Series that are not quite a volume or an image, by the name of their UIDs."""
    volume, _ = CT.build()
    made = {name: [slice_dataset(replace(CT, name=name), volume, k) for k in range(6)] for name in ("one", "uneven")}
    made["one"] = made["one"][3:4]
    made["uneven"][-1].ImagePositionPatient[2] += 9
    views = [replace(DX, name=f"view {n}").dataset() for n in range(2)]
    loop = [replace(CINE, name=f"clip {n}").dataset() for n in range(2)]
    for name, files in (("views", views), ("clips", loop)):
        for file in files:
            file.StudyInstanceUID, file.SeriesInstanceUID = (
                replace(DX, name=name).uid(of) for of in ("study", "series")
            )
        made[name] = files
    other, _ = OTHER.build()
    made["beside"] = [slice_dataset(replace(OTHER, name="beside"), other, k) for k in range(6)]
    for file in made["beside"]:
        file.StudyInstanceUID = CT.uid("study")
    return made


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StoreProcess]:
    folder = demo_dicom(tmp_path_factory.mktemp("flat"), (*IMAGES, CT, OBLIQUE))
    for name, files in odd_series().items():
        (folder / name).mkdir()
        for number, file in enumerate(files):
            file.save_as(folder / name / f"{number}.dcm", write_like_original=False)
    with StoreProcess(folder) as running:
        yield running


@pytest.fixture
def flat(server: Server, archive: StoreProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """The app on the archive, where nothing is labelled yet."""
    shutil.rmtree(archive.folder / "stored", ignore_errors=True)
    monkeypatch.setenv("SAMLABEL_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(settings, "MONAI_LABEL_DICOMWEB_SEARCH_FILTER", {})
    store = elsewhere(archive, tmp_path / "cache", monkeypatch)
    for name in ("_store", "_datastore"):
        monkeypatch.setattr(server.app, name, store)
    vars(server.app).pop("selection", None)
    yield server
    vars(server.app).pop("selection", None)
    store.close()


def elsewhere(archive: StoreProcess, cache: Path, patch: pytest.MonkeyPatch) -> DicomWebStore:
    """The archive as a server sees it that has nothing in its cache."""
    patch.setattr(settings, "MONAI_LABEL_DICOMWEB_CACHE_PATH", str(cache))
    return open_archive(archive.url)


def save(server: Server, series: str, mask: Mask, folder: Path, tag: str = "final") -> Any:
    file = write_mask(mask, folder / "label.nrrd")
    return server.client.put(
        f"/datastore/label?image={series}&tag={tag}",
        files={"label": (file.name, file.read_bytes())},
        data={"params": json.dumps(NAMES)},
        headers={"x-samlabel-reader": "anna"},
    )


def stored(server: Server, series: str, folder: Path, tag: str = "final") -> Mask:
    reply = server.client.get(f"/datastore/label?label={series}&tag={tag}")
    assert reply.status_code == 200, reply.text
    (folder / "stored.nrrd").write_bytes(reply.content)
    return read_mask(folder / "stored.nrrd")


def kidneys(image: FlatDemo | DemoSeries, grid: Geometry, swap: bool = False) -> Mask:
    """Both kidneys of a synthetic patient as values 1 and 2."""
    truth, found = image.build()[1].array, Mask.empty(grid)
    for value, label in enumerate((3, 4) if swap else (4, 3), 1):
        found.array[truth == label] = value
    assert found.values() == [1, 2]
    return found


def segs(archive: StoreProcess) -> list[Dataset]:
    client = DICOMwebClient(archive.url)
    found = client.search_for_series(search_filters={"Modality": "SEG"})
    return [client.retrieve_series(entry["0020000D"]["Value"][0], entry["0020000E"]["Value"][0])[0] for entry in found]


def completed(server: Server) -> int:
    return int(server.client.get("/info/").json()["datastore"]["completed"])


@pytest.mark.parametrize("image", IMAGES, ids=lambda image: image.name)
def test_from_a_click_to_an_accepted_label_and_back(
    flat: Server, archive: StoreProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, image: FlatDemo
) -> None:
    series, client = image.uid("series"), flat.client
    reply = client.get(f"/datastore/image?image={series}")
    (tmp_path / "image.nii.gz").write_bytes(reply.content)
    served = read_image(tmp_path / "image.nii.gz")
    np.testing.assert_array_equal(served.array, image.build()[0].array)

    # the viewer's own idea of where the pixels lie: it has no scale, and another one than the server
    first = kidneys(image, Geometry(served.geometry.shape, LPS_TO_RAS))
    i, j, k = np.argwhere(first.array == 1)[0].tolist()
    answer = flat.click(series, foreground=[[i, j, k]])
    assert answer.status == 200, answer.facts
    clicked = answer.mask(tmp_path)
    assert clicked.geometry.same_as(served.geometry) and clicked.array[i, j, k]
    assert np.flatnonzero(clicked.array.any(axis=(0, 1))).tolist() == [k]

    assert save(flat, series, first, tmp_path, "draft_anna").status_code == 200
    np.testing.assert_array_equal(stored(flat, series, tmp_path, "draft_anna").array, first.array)
    assert completed(flat) == 0 and segs(archive) == []

    said = save(flat, series, first, tmp_path)
    assert said.status_code == 200 and said.json() == {"image": series, "label": series}, said.text
    found = stored(flat, series, tmp_path)
    assert found.geometry.same_as(served.geometry)
    np.testing.assert_array_equal(found.array, first.array)
    (seg,) = segs(archive)
    assert [item.SegmentLabel for item in seg.SegmentSequence] == ["kidney_left", "kidney_right"]
    assert int(seg.pixel_array.sum()) == int((first.array > 0).sum()) and seg.ContentCreatorName == "anna^"
    assert completed(flat) == 1
    assert series not in flat.app.datastore().get_unlabeled_images()
    told = client.get(f"/labels/{series}").json()
    assert (told["event"], told["version"], told["events"][0]["facts"]["reader"]) == ("accepted", 1, "anna")

    second = kidneys(image, clicked.geometry, swap=True)
    second.array[0, :, k] = 1
    assert save(flat, series, second, tmp_path).status_code == 200
    np.testing.assert_array_equal(stored(flat, series, tmp_path).array, second.array)
    assert client.get(f"/labels/{series}").json()["version"] == 2 and completed(flat) == 1

    other = elsewhere(archive, tmp_path / "other", monkeypatch)
    assert other.get_labeled_images() == [series]
    imported = read_mask(other.get_label_uri(series, "final"))
    np.testing.assert_array_equal(imported.array, second.array)
    assert imported.geometry.same_as(served.geometry)
    other.close()

    assert client.delete(f"/datastore/label?id={series}&tag=final").status_code == 200
    assert completed(flat) == 0 and series in flat.app.datastore().get_unlabeled_images()
    assert client.get(f"/datastore/label?label={series}&tag=final").status_code == 404
    assert save(flat, series, second, tmp_path).status_code == 200 and completed(flat) == 1


def test_a_frame_of_a_loop_is_labelled_and_the_next_case_is_another(
    flat: Server, archive: StoreProcess, tmp_path: Path
) -> None:
    series = CINE.uid("series")
    grid = read_image(flat.app.datastore().get_image_uri(series)).geometry
    mask = kidneys(CINE, grid, swap=True)  # no doubt about sides either: nobody knows how the probe was held
    mask.array[:, :, [0, 2, 4]] = 0  # two frames with an empty one between them: no hole, other times
    assert save(flat, series, mask, tmp_path).json() == {"image": series, "label": series}
    (seg,) = segs(archive)
    named = {
        int(groups.DerivationImageSequence[0].SourceImageSequence[0].ReferencedFrameNumber)
        for groups in seg.PerFrameFunctionalGroupsSequence
    }
    assert named == {2, 4}
    offered = {flat.client.post("/activelearning/random", json={"client_id": f"r{n}"}).json()["id"] for n in range(6)}
    assert series not in offered and offered & {image.uid("series") for image in IMAGES}


def test_a_label_with_other_pixels_or_turned_round_is_refused(flat: Server, tmp_path: Path) -> None:
    series = DX.uid("series")
    for shape, affine in [((20, 24, 1), LPS_TO_RAS), ((24, 20, 2), LPS_TO_RAS), ((24, 20, 1), np.eye(4))]:
        refused = save(flat, series, Mask(np.ones(shape, np.uint8), Geometry(shape, affine)), tmp_path)
        assert refused.status_code == 422 and "another grid than the image" in refused.json()["detail"]
    (tmp_path / "label.nrrd").write_bytes(b"NRRD0004\ntype: uchar\ndata file: /etc/passwd\n\n")
    upload = {"label": ("label.nrrd", (tmp_path / "label.nrrd").read_bytes())}
    refused = flat.client.put(f"/datastore/label?image={series}", files=upload, data={"params": json.dumps(NAMES)})
    assert refused.status_code == 422 and "must hold its own voxels" in refused.json()["detail"]
    assert completed(flat) == 0


@pytest.mark.parametrize("name", ["one", "uneven", "beside", "SMALL-MR"])
def test_odd_series_take_labels(flat: Server, archive: StoreProcess, tmp_path: Path, name: str) -> None:
    series = replace(CT, name=name).uid("series")
    grid = read_image(flat.app.datastore().get_image_uri(series)).geometry
    mask = Mask.empty(grid)
    mask.array[4:9, 5:9, grid.shape[2] // 2] = 1
    assert save(flat, series, mask, tmp_path).status_code == 200
    np.testing.assert_array_equal(stored(flat, series, tmp_path).array, mask.array)
    (seg,) = segs(archive)
    assert seg.ReferencedSeriesSequence[0].SeriesInstanceUID == series and completed(flat) == 1
    assert flat.app.datastore().get_labeled_images() == [series]


@pytest.mark.parametrize(
    ("name", "sentence"), [("views", "where it is a series of its own"), ("clips", "has to be a series of its own")]
)
def test_several_images_in_one_series_are_refused(flat: Server, tmp_path: Path, name: str, sentence: str) -> None:
    series = replace(DX, name=name).uid("series")
    refused = flat.click(series, foreground=[[3, 3, 0]])
    assert refused.status == 422 and sentence in refused.facts["detail"]
    said = save(flat, series, kidneys(DX, Geometry((24, 20, 1), LPS_TO_RAS)), tmp_path)
    assert said.status_code == 422 and sentence in said.json()["detail"]


def test_their_labels_teach(flat: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ask_few(monkeypatch)
    for image in (DX, IMAGES[3], CINE):
        mask = Mask.empty(read_image(flat.app.datastore().get_image_uri(image.uid("series"))).geometry)
        mask.array[4:14, 5:15, image.frames // 2] = 1
        assert save(flat, image.uid("series"), mask, tmp_path).status_code == 200
    order = {"precision": "float32", "method": "decoder", "epochs": 1, "steps": 2, "images": 1, "objects": 1}
    order |= {"decodes": 1, "semantic_images": 0, "objects_per_case": 1, "clicks": 5}
    reply = flat.client.post("/train/sam?run_sync=true", json=order)
    assert reply.status_code == 200, reply.text
    told = flat.client.get("/info/").json()["train_stats"]["sam"]
    assert told["state"] == "done" and told["adapter"], told
