"""Files, frames and pictures over HTTP."""

import io
from pathlib import Path

import httpx
import numpy as np
import pytest
from dicomweb_client import DICOMwebClient
from PIL import Image
from pydicom import Dataset, dcmread
from pydicom.uid import RLELossless

from samlabel.dicom.demo import SMALL
from samlabel.dicom_store import frames
from samlabel.dicom_store.index import Index, Instance
from samlabel.dicom_store.process import StoreProcess

CT, MR, _ = SMALL
SERIES = f"/studies/{CT.uid('study')}/series/{CT.uid('series')}"
INSTANCE = f"{SERIES}/instances/{CT.uid('instance', 2)}"
OHIF_FRAME = 'multipart/related; type="application/octet-stream"; transfer-syntax="*"'


def parts(answer: httpx.Response) -> list[tuple[str, bytes]]:
    boundary = answer.headers["content-type"].split("boundary=")[1].encode()
    found = []
    for piece in answer.content.split(b"--" + boundary)[1:-1]:
        head, _, content = piece.partition(b"\r\n\r\n")
        found.append((head.decode().strip(), content.removesuffix(b"\r\n")))
    return found


def test_a_series_comes_whole_and_bit_for_bit(web: httpx.Client, master: Path) -> None:
    answer = web.get(SERIES, headers={"accept": 'multipart/related; type="application/dicom"'})
    assert answer.headers["content-type"].startswith('multipart/related; type="application/dicom"; boundary=')
    have = {content for _, content in parts(answer)}
    assert have == {path.read_bytes() for path in (master / "SMALL-CT").glob("*.dcm")}


def test_one_file_alone_when_asked_for_it_alone(web: httpx.Client, master: Path) -> None:
    answer = web.get(INSTANCE, headers={"accept": "application/dicom"})
    assert answer.content == (master / "SMALL-CT" / "0003.dcm").read_bytes()


def test_a_frame_as_ohif_asks_for_it(web: httpx.Client) -> None:
    ((head, pixels),) = parts(web.get(f"{INSTANCE}/frames/1", headers={"accept": OHIF_FRAME}))
    assert head == "Content-Type: application/octet-stream; transfer-syntax=1.2.840.10008.1.2.1"
    volume, _ = CT.build()
    np.testing.assert_array_equal(
        np.frombuffer(pixels, "<u2").reshape(20, 24).astype(int) - 1024, volume.array[:, :, 2].T
    )


def test_metadata_has_everything_but_pixels(web: httpx.Client) -> None:
    slices = web.get(f"{SERIES}/metadata").json()
    assert len(slices) == 6 and all("7FE00010" not in one and "00200037" in one for one in slices)
    assert [one["00200013"]["Value"][0] for one in slices] == [1, 2, 3, 4, 5, 6]
    positions = [one["00200032"]["Value"][2] for one in slices]
    assert positions == sorted(positions, reverse=True)
    assert len(web.get(f"/studies/{MR.uid('study')}/metadata").json()) == 5
    assert web.get(f"{INSTANCE}/metadata").json()[0]["00080018"]["Value"] == [CT.uid("instance", 2)]


def test_the_library_client_retrieves(store: StoreProcess) -> None:
    client = DICOMwebClient(store.url)
    retrieved = client.retrieve_series(CT.uid("study"), CT.uid("series"))
    assert len(retrieved) == 6 and retrieved[0].pixel_array.shape == (20, 24)
    frame = client.retrieve_instance_frames(CT.uid("study"), CT.uid("series"), CT.uid("instance", 0), [1])
    assert len(frame[0]) == 20 * 24 * 2


@pytest.mark.parametrize("what", ["rendered", "frames/1/rendered", "thumbnail"])
def test_pictures(web: httpx.Client, what: str) -> None:
    answer = web.get(f"{INSTANCE}/{what}", headers={"accept": "image/png"})
    assert answer.headers["content-type"] == "image/png"
    picture = np.asarray(Image.open(io.BytesIO(answer.content)))
    assert picture.shape == (20, 24) and picture[0, 0] == 0 and picture[10, 12] > 100


def test_a_window_and_a_size_can_be_chosen(web: httpx.Client) -> None:
    answer = web.get(f"{INSTANCE}/rendered?window=-1000,10,linear&viewport=12,12", headers={"accept": "image/png"})
    picture = np.asarray(Image.open(io.BytesIO(answer.content)))
    assert max(picture.shape) == 12 and picture[5, 6] == 255
    jpeg = web.get(f"{SERIES}/thumbnail")
    assert jpeg.headers["content-type"] == "image/jpeg" and jpeg.content.startswith(b"\xff\xd8")


@pytest.mark.parametrize(
    ("path", "status"),
    [
        (f"{INSTANCE}/frames/2", 404),
        (f"{INSTANCE}/frames/0", 404),
        (f"{INSTANCE}/frames/one", 400),
        (f"{INSTANCE}/rendered?window=a,b", 400),
        ("/studies/1.2.3", 404),
        (f"{SERIES}/instances/1.2.3/metadata", 404),
        ("/studies/..%2F..%2Fetc/metadata", 404),
    ],
)
def test_what_is_not_there_is_said(web: httpx.Client, path: str, status: int) -> None:
    answer = web.get(path)
    assert answer.status_code == status and answer.json()["detail"]


def stored(folder: Path, dataset: Dataset, name: str = "a.dcm") -> Instance:
    dataset.save_as(folder / name)
    (instance,) = Index(folder).instances()
    return instance


@pytest.fixture
def dataset(master: Path) -> Dataset:
    return dcmread(master / "SMALL-CT" / "0003.dcm")


def test_compressed_frames_are_passed_on_untouched(tmp_path: Path, dataset: Dataset) -> None:
    pixels = dataset.pixel_array
    dataset.compress(RLELossless)
    instance = stored(tmp_path, dataset)
    assert frames.frame_media_type(instance) == "image/dicom-rle; transfer-syntax=1.2.840.10008.1.2.5"
    (frame,) = frames.read_frames(instance, [1])
    assert frame in dataset.PixelData
    picture = np.asarray(Image.open(io.BytesIO(frames.render(instance, 1, "png", (40, 400), None))))
    assert np.corrcoef(picture.ravel(), np.clip(pixels - 1024.0, -160, 240).ravel())[0, 1] > 0.999


def test_frames_of_one_bit_need_not_begin_at_a_byte(tmp_path: Path, dataset: Dataset) -> None:
    bits = np.random.default_rng(3).integers(0, 2, (3, 5, 7), np.uint8)
    dataset.Rows, dataset.Columns, dataset.NumberOfFrames = 5, 7, 3
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 1, 1, 0
    packed = np.packbits(bits.ravel(), bitorder="little").tobytes()
    dataset.PixelData = packed + b"\0" * (len(packed) % 2)
    dataset["PixelData"].VR = "OB"
    instance = stored(tmp_path, dataset)
    for number, wanted in enumerate(bits, 1):
        (frame,) = frames.read_frames(instance, [number])
        got = np.unpackbits(np.frombuffer(frame, np.uint8), bitorder="little")[:35].reshape(5, 7)
        np.testing.assert_array_equal(got, wanted)


def test_a_file_that_is_cut_off_is_said_to_be(tmp_path: Path, dataset: Dataset) -> None:
    instance = stored(tmp_path, dataset)
    data = instance.path.read_bytes()
    instance.path.write_bytes(data[:-100])
    (instance,) = Index(tmp_path).instances()
    with pytest.raises(frames.FrameError, match="cut off"):
        frames.read_frames(instance, [1])


def test_an_object_without_pixels_has_no_frames(tmp_path: Path, dataset: Dataset) -> None:
    del dataset.PixelData
    instance = stored(tmp_path, dataset)
    with pytest.raises(frames.FrameError, match="no pixels"):
        frames.read_frames(instance, [1])
    with pytest.raises(frames.FrameError, match="no pixels"):
        frames.render(instance, 1, "png", None, None)
