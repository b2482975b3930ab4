"""A click on a volume that nobody has opened: answered while it is read, and only if all of it can be read."""

import gzip
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sam_infer.ask.question import SliceQuestion
from sam_infer.errors import VolumeError
from sam_infer.imaging.arriving import ArrivingVolume, Reading, is_arriving, whole_of
from sam_infer.imaging.geometry import Geometry
from sam_infer.imaging.image_file import read_image, write_image
from sam_infer.imaging.volume import Volume
from sam_infer.prompts.object_prompts import Prompts
from sam_infer.serving.server_state import Click, Serving
from sam_infer.serving.volume_cache import VolumeCache
from sam_infer.slices.embedding_cache import EmbeddingCache
from sam_infer.slices.predictor import Options, Predictor

SHAPE = (40, 32, 24)
PLANE = 40 * 32 * 2
SEEN = 6  # the slice that is clicked on
CLICK = Prompts(points=np.array([[12, 10, SEEN]]), labels=np.array([1]))


class Held:
    """Readings that stop after the slice that is clicked on, until they are let go."""

    def __init__(self) -> None:
        self.go, self.stopped = threading.Event(), threading.Event()

    def grown(self, reading: Reading, piece: memoryview, grow: Callable[[Reading, memoryview], None]) -> None:
        """What the reading thread calls; the wait is bounded so that a failing test ends."""
        grow(reading, piece)
        if reading.there > SEEN * PLANE:
            self.stopped.set()
            assert self.go.wait(60)


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> Iterator[Held]:
    found, grow = Held(), Reading.grown
    monkeypatch.setattr("sam_infer.imaging.plain_nifti.CHUNK_BYTES", PLANE)
    monkeypatch.setattr(Reading, "grown", lambda self, piece: found.grown(self, piece, grow))
    yield found
    found.go.set()


def volume(air: int = -1000) -> Volume:
    values = np.random.default_rng(3).normal(20, 40, SHAPE)
    values[5:20, 4:18] += 150
    values[:2] = air
    return Volume(values.astype(np.int16), Geometry(SHAPE, np.diag([0.8, 0.8, 2.5, 1.0])), "CT")


@pytest.fixture
def image(tmp_path: Path) -> Path:
    return write_image(volume(), tmp_path / "studies" / "image.nii.gz")


def serving(network: Any, folder: Path | None = None, encode_seconds: float = 0.01) -> Serving:
    """Of a network that has been asked before."""
    predictor = Predictor(network, EmbeddingCache(folder=folder))
    predictor.cache.stats.encode_seconds[predictor.backbone.encoder_id] = encode_seconds
    return Serving(predictor)


def clicked(serves: Serving, image: Path) -> Click:
    return Click(serves.volume(image, begun=True), SliceQuestion(CLICK, SEEN), serves.predictor)


def hashed(click: Click) -> None:
    """Come back when what was found is known by the image's digest: soon after the answer."""
    known, deadline = click.predictor.cache, time.monotonic() + 60
    while any(is_arriving(key.image) for key in list(known._entries)):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_slice_is_seen_before_the_rest_is_there(image: Path, held: Held) -> None:
    cache = VolumeCache(1 << 30)
    coming = cache.begun(image).at(None)
    assert isinstance(coming, ArrivingVolume) and coming.modality == "CT"
    seen = coming.pixels(coming.view(2, SEEN))
    with ThreadPoolExecutor(3) as others:
        waiting = [
            others.submit(lambda: coming.array),
            others.submit(lambda: coming.pixels(coming.view(2, SEEN + 1))),
            others.submit(lambda: coming.pixels(coming.view(0, 3))),
        ]
        assert held.stopped.wait(60) and not any(one.done() for one in waiting)
        held.go.set()
    read = read_image(image)
    assert np.array_equal(seen, read.pixels(read.view(2, SEEN)))
    assert np.array_equal(waiting[0].result(), read.array)
    assert np.array_equal(waiting[2].result(), read.pixels(read.view(0, 3)))
    assert whole_of(coming).digest == coming.digest == read.digest
    assert cache.begun(image).at(None) is whole_of(coming) and cache.reads == 1


def test_what_may_be_another_modality_is_known_at_the_end(tmp_path: Path, held: Held) -> None:
    coming = VolumeCache(1 << 30).begun(write_image(volume(air=0), tmp_path / "mr.nii.gz")).at(None)
    with ThreadPoolExecutor(1) as other:
        modality = other.submit(lambda: coming.modality)
        assert held.stopped.wait(60) and not modality.done()
        held.go.set()
        assert modality.result() == "OTHER"


def test_the_answer_is_that_of_an_image_which_has_been_read(image: Path, held: Held, network, tmp_path: Path) -> None:
    late, early = serving(network), serving(network, tmp_path / "embeddings")
    with ThreadPoolExecutor(1) as other:
        click = clicked(early, image)
        answer = other.submit(early.predict, click)
        assert held.stopped.wait(60)
        while not click.predictor.cache.stats.encodes:  # computed while half of the file is missing
            assert not answer.done()
        assert not list(tmp_path.glob("embeddings/*/*"))
        held.go.set()
        found = answer.result()
    read = late.predict(Click(late.volume(image), click.question, late.predictor))
    assert np.array_equal(found.mask.array, read.mask.array) and found.mask.array.any()
    assert np.array_equal(found.found.logits, read.found.logits)
    encodes = click.predictor.cache.stats.encodes
    hashed(click)
    again = early.predict(clicked(early, image))
    assert np.array_equal(again.mask.array, read.mask.array)
    assert click.predictor.cache.stats.encodes == encodes, "what was found is not known by the image's digest"
    click.predictor.cache.flush()
    reborn = serving(network, tmp_path / "embeddings", encode_seconds=10.0)
    reborn.predict(clicked(reborn, image))
    assert reborn.predictor.cache.stats.encodes == 0, "a slow network encoded again what is on the disk"
    for one in (late, early, reborn):
        one.close()


@pytest.mark.parametrize("asked", [{"index": SEEN + 2}, {"window": "percentile"}, {"axis": 0}])
def test_others_are_answered_while_a_click_waits_for_its_slices(
    image: Path, held: Held, network, asked: dict[str, Any]
) -> None:
    serves, where = serving(network), asked.get("index", SEEN)
    prompts = Prompts(asked.get("axis", 2), points=np.array([[12, 10, where]]), labels=np.array([1]))
    question = SliceQuestion(prompts, 12 if prompts.axis == 0 else where, Options(asked.get("window", "auto")))
    with ThreadPoolExecutor(1) as other:
        click = Click(serves.volume(image, begun=True), question, serves.predictor)
        answer = other.submit(serves.predict, click)
        assert held.stopped.wait(60)
        assert serves.queue.submit(lambda: "answered").result(60) == "answered" and not answer.done()
        held.go.set()
    assert np.array_equal(answer.result().mask.array, serves.predict(replace(click, volume=volume())).mask.array)
    serves.close()


def test_several_readers_of_a_volume_that_is_being_read(image: Path, held: Held, network) -> None:
    serves = serving(network)
    with ThreadPoolExecutor(4) as others:
        answers = [others.submit(lambda: serves.predict(clicked(serves, image)).mask.array) for _ in range(4)]
        assert held.stopped.wait(60)
        held.go.set()
    assert serves.volumes.reads == 1
    assert all(np.array_equal(one.result(), answers[0].result()) for one in answers)
    serves.close()


@pytest.mark.parametrize("damage", ["cut", "flipped"])
def test_an_answer_on_a_damaged_file_is_not_given(image: Path, network, damage: str) -> None:
    content = bytearray(image.read_bytes())
    content[-6] ^= 255  # of the checksum at the end
    image.write_bytes(bytes(content[: len(content) * 3 // 4]) if damage == "cut" else bytes(content))
    serves = serving(network)
    for _ in range(2):
        with pytest.raises(VolumeError, match=r"cut short|is damaged"):
            serves.predict(clicked(serves, image))
    assert serves.predictor.cache.used_bytes == 0 and serves.volumes.used_bytes == 0
    serves.close()


def test_a_file_that_itk_reads_after_all_is_asked_again(image: Path, network, monkeypatch: pytest.MonkeyPatch) -> None:
    """As where a file has bytes that its header does not speak of: what was looked at meanwhile is forgotten."""
    from sam_infer.imaging import plain_nifti

    fallen_back = plain_nifti.read_voxels

    def gives_up(*args: Any) -> None:
        fallen_back(*args)

    monkeypatch.setattr("sam_infer.imaging.image_file.read_voxels", gives_up)
    serves = serving(network)
    found = serves.predict(clicked(serves, image))
    read = volume()
    other = serving(network)
    assert np.array_equal(
        found.mask.array, other.predict(Click(read, SliceQuestion(CLICK, SEEN), other.predictor)).mask.array
    )
    for one in (serves, other):
        one.close()


def test_bad_input_has_its_error_at_once(tmp_path: Path, network) -> None:
    serves = serving(network)
    with pytest.raises(VolumeError, match="no file"):
        serves.volume(tmp_path / "nothing.nii.gz", begun=True)
    (tmp_path / "bad.nii.gz").write_bytes(gzip.compress(b"no image at all"))
    with pytest.raises(VolumeError):
        serves.volume(tmp_path / "bad.nii.gz", begun=True)
    serves.close()
