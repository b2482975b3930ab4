"""Slices ahead of a reader are encoded while the reader thinks."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest

from sam_infer.ask.question import SliceQuestion
from sam_infer.imaging.image_file import write_image
from sam_infer.imaging.volume import Mask, Volume
from sam_infer.prompts.object_prompts import Prompts
from sam_infer.serving import prefetch
from sam_infer.serving.server_state import Asker, Click, Serving
from sam_infer.serving.work_queue import Priority
from sam_infer.slices.embedding_cache import EmbeddingCache
from sam_infer.slices.predictor import Options, Predictor

WHOLE = Options(zoom=None)


@pytest.fixture
def serving(network) -> Serving:
    return Serving(Predictor(network, EmbeddingCache()), prefetch=True)


@pytest.fixture
def image(tmp_path: Path, l_phantom: tuple[Volume, Mask]) -> Path:
    return write_image(l_phantom[0], tmp_path / "image.nii.gz")


def click(serving: Serving, image: Path, mask: Mask, k: int, reader: str = "r") -> np.ndarray:
    i, j = np.argwhere(mask.array[:, :, 10])[0]
    prompts = Prompts(points=np.array([[i, j, k]]), labels=np.array([1]))
    asked = Click(serving.volume(image), SliceQuestion(prompts, k, WHOLE), serving.predictor)
    return serving.predict(asked, Asker(reader)).found.pixels


def settle(serving: Serving) -> None:
    """Until everything that was queued is done."""
    serving.queue.submit(lambda: None, Priority.BATCH).result()


def test_neighbours_then_the_direction_of_the_reader(serving: Serving, image: Path, l_phantom, network) -> None:
    click(serving, image, l_phantom[1], 10)
    settle(serving)
    assert network.encodes == 3  # 10, and 9 and 11 ahead
    click(serving, image, l_phantom[1], 11)
    assert network.encodes == 3
    settle(serving)
    assert network.encodes == 5  # 12 and 13
    for k in (12, 13):
        click(serving, image, l_phantom[1], k)
        settle(serving)
    assert serving.prefetch is not None and serving.prefetch.encodes == network.encodes - 1 == 6
    serving.close()


def test_a_new_click_takes_back_what_was_not_begun(serving: Serving, image: Path, l_phantom, network) -> None:
    click(serving, image, l_phantom[1], 5)
    settle(serving)
    gate, before = threading.Event(), network.encodes
    click(serving, image, l_phantom[1], 4)
    serving.queue.submit(gate.wait, Priority.VOLUME)
    clicks = [threading.Thread(target=click, args=(serving, image, l_phantom[1], k)) for k in (14,)]
    for one in clicks:
        one.start()
    gate.set()
    for one in clicks:
        one.join()
    settle(serving)
    assert network.encodes <= before + 5
    serving.close()


def test_where_an_encode_is_long_nothing_is_done_ahead(
    serving: Serving, image: Path, l_phantom, network, monkeypatch
) -> None:
    monkeypatch.setattr(prefetch, "MOST_SECONDS", 0.0)
    click(serving, image, l_phantom[1], 10)
    settle(serving)
    assert network.encodes == 1
    serving.close()


def test_a_long_encode_of_one_model_counts_where_another_one_is_short(
    serving: Serving, image: Path, l_phantom, network
) -> None:
    click(serving, image, l_phantom[1], 10)
    settle(serving)
    seconds = serving.predictor.cache.stats.encode_seconds
    assert list(seconds) == [network.encoder_id]
    seconds.update({network.encoder_id: prefetch.MOST_SECONDS + 1, "another encoder, the last one": 0.01})
    click(serving, image, l_phantom[1], 11)
    settle(serving)
    assert network.encodes == 3
    serving.close()


def test_masks_are_those_without_it(serving: Serving, image: Path, l_phantom, network) -> None:
    plain = Serving(Predictor(network, EmbeddingCache()))
    for k in (10, 11, 12, 9):
        assert np.array_equal(click(serving, image, l_phantom[1], k), click(plain, image, l_phantom[1], k))
    serving.close()
    plain.close()
