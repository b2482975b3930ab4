import threading
import time
from pathlib import Path

import numpy as np
import pytest

from sam_infer.ask.question import SliceQuestion
from sam_infer.errors import VolumeError
from sam_infer.imaging.image_file import write_image
from sam_infer.imaging.volume import Mask, Volume
from sam_infer.prompts.object_prompts import Prompts
from sam_infer.serving.server_state import Click, Serving
from sam_infer.serving.work_queue import Priority, WorkQueue
from sam_infer.slices.embedding_cache import EmbeddingCache
from sam_infer.slices.predictor import Predictor


@pytest.fixture
def image(tmp_path: Path, l_phantom: tuple[Volume, Mask]) -> Path:
    return write_image(l_phantom[0], tmp_path / "image.nii.gz")


def middle(mask: Mask) -> Prompts:
    inside = np.argwhere(mask.array[:, :, 10])
    i, j = inside[len(inside) // 2]
    return Prompts(points=np.array([[i, j, 10]]), labels=np.array([1]))


def test_a_volume_is_read_once_until_the_file_changes(image: Path, l_phantom, network) -> None:
    serving = Serving(Predictor(network, EmbeddingCache()))
    first = serving.volume(image)
    assert serving.volume(image) is first
    time.sleep(0.01)
    write_image(l_phantom[0], image)
    assert serving.volume(image) is not first
    serving.close()


def test_volumes_in_memory_are_bounded(tmp_path: Path, l_phantom, network) -> None:
    paths = [write_image(l_phantom[0], tmp_path / f"{n}.nii.gz") for n in range(3)]
    serving = Serving(Predictor(network, EmbeddingCache()), volume_bytes=2 * l_phantom[0].nbytes)
    held = [serving.volume(path) for path in paths]
    assert serving.volume(paths[2]) is held[2] and serving.volume(paths[1]) is held[1]
    assert serving.volume(paths[0]) is not held[0]
    serving.close()


def test_two_readers_get_what_each_would_get_alone(image: Path, l_phantom, network) -> None:
    serving = Serving(Predictor(network, EmbeddingCache()))
    click = Click(serving.volume(image), SliceQuestion(middle(l_phantom[1]), 10), serving.predictor)
    alone = serving.predict(click).mask.array
    answers: list[np.ndarray] = []
    threads = [threading.Thread(target=lambda: answers.append(serving.predict(click).mask.array)) for _ in "12345678"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(answers) == 8 and all(np.array_equal(answer, alone) for answer in answers)
    serving.close()


def test_an_unreadable_file_is_an_error_each_time_not_a_memory(tmp_path: Path, network) -> None:
    path = tmp_path / "bad.nii.gz"
    path.write_bytes(b"")
    serving = Serving(Predictor(network, EmbeddingCache()))
    for _ in range(2):
        with pytest.raises(VolumeError, match="is empty"):
            serving.volume(path)
    serving.close()


def test_clicks_overtake_what_can_wait() -> None:
    queue, done, gate = WorkQueue(), [], threading.Event()
    futures = [queue.submit(gate.wait, Priority.BATCH)]
    for name, priority in [("batch", Priority.BATCH), ("prefetch", Priority.PREFETCH), ("click", Priority.CLICK)]:
        futures.append(queue.submit(lambda name=name: done.append(name), priority))
    cancelled = queue.submit(lambda: done.append("cancelled"), Priority.CLICK)
    assert cancelled.cancel()
    gate.set()
    for future in futures:
        future.result()
    assert done == ["click", "prefetch", "batch"]
    queue.close()


def test_an_error_reaches_the_one_who_asked() -> None:
    queue = WorkQueue()
    with pytest.raises(ZeroDivisionError):
        queue.submit(lambda: 1 // 0).result()
    assert queue.submit(lambda: 7).result() == 7
    queue.close()
