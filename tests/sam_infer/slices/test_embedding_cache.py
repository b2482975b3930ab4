import os
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from sam_infer.networks.backbone import Features
from sam_infer.slices.embedding_cache import EmbeddingCache, EmbeddingKey
from sam_infer.slices.embedding_files import MOST_WAITING, write_features

KEY = EmbeddingKey("image", 2, 5, "0:1", "0,0,8,8", 256, "encoder")


def features(value: float = 1.0) -> Features:
    return {"a": torch.full((1, 4, 4), value), "b": torch.full((2,), value, dtype=torch.float16)}


def stored(folder: Path) -> None:
    """Features that are on the disk."""
    cache = EmbeddingCache(folder=folder)
    cache.get(KEY, features)
    cache.flush()


def same(left: Features, right: Features) -> bool:
    return left.keys() == right.keys() and all(torch.equal(left[k], right[k]) for k in left)


def test_a_slice_is_encoded_once(tmp_path: Path) -> None:
    cache = EmbeddingCache(folder=tmp_path)
    first = cache.get(KEY, features)
    again = cache.get(KEY, lambda: pytest.fail("encoded twice"))
    assert same(first, again) and cache.stats.encodes == 1 and cache.stats.memory_hits == 1


def test_after_a_restart_nothing_is_encoded(tmp_path: Path) -> None:
    stored(tmp_path)
    reborn = EmbeddingCache(folder=tmp_path)
    assert same(reborn.get(KEY, lambda: pytest.fail("encoded after restart")), features())
    assert (reborn.stats.disk_hits, reborn.stats.encodes) == (1, 0)


@pytest.mark.parametrize(
    "change",
    [
        {"image": "x"},
        {"axis": 1},
        {"index": 6},
        {"window": "0:2"},
        {"crop": "0,0,4,4"},
        {"input_size": 128},
        {"encoder": "y"},
        {"depth": 3},
    ],
)
def test_everything_that_changes_features_changes_the_key(tmp_path: Path, change: dict[str, object]) -> None:
    cache = EmbeddingCache(folder=tmp_path)
    cache.get(KEY, features)
    other = cache.get(replace(KEY, **change), lambda: features(2.0))
    assert same(other, features(2.0))


def test_what_was_stored_before_there_were_stacks_is_found_again() -> None:
    """The file name of a key of one slice, as version 1 wrote it."""
    assert KEY.digest == "f8b29a65b877e05ab58ee895d8c50ec6c063094d"


def test_eight_threads_on_one_new_slice_encode_once() -> None:
    cache, calls = EmbeddingCache(), []

    def slow() -> Features:
        calls.append(1)
        time.sleep(0.2)
        return features()

    results: list[Features] = []
    threads = [threading.Thread(target=lambda: results.append(cache.get(KEY, slow))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(calls) == 1 and len(results) == 8 and all(same(r, features()) for r in results)


def test_a_failed_encode_reaches_every_waiter_and_is_not_remembered() -> None:
    cache = EmbeddingCache()

    def broken() -> Features:
        raise RuntimeError("no memory")

    with pytest.raises(RuntimeError, match="no memory"):
        cache.get(KEY, broken)
    assert same(cache.get(KEY, features), features())


@pytest.mark.parametrize("damage", ["flip", "truncate", "empty", "text"])
def test_a_corrupt_entry_is_dropped_never_served(tmp_path: Path, damage: str) -> None:
    stored(tmp_path)
    (file,) = tmp_path.glob("*/*.safetensors")
    data = bytearray(file.read_bytes())
    if damage == "flip":
        data[-3] ^= 1
    file.write_bytes({"flip": bytes(data), "truncate": bytes(data[:-9]), "empty": b"", "text": b"hello"}[damage])
    cache = EmbeddingCache(folder=tmp_path)
    assert same(cache.get(KEY, features), features())
    assert (cache.stats.dropped, cache.stats.encodes) == (1, 1)
    cache.flush()
    assert same(EmbeddingCache(folder=tmp_path).get(KEY, lambda: pytest.fail("not repaired")), features())


def test_memory_is_bounded_and_forgets_the_longest_unused() -> None:
    size = 4 * 4 * 4 + 2 * 2
    cache = EmbeddingCache(memory_bytes=2 * size)
    keys = [replace(KEY, index=n) for n in range(3)]
    for key in (keys[0], keys[1], keys[0], keys[2]):
        cache.get(key, features)
    assert [cache.contains(key) for key in keys] == [True, False, True]


def test_disk_is_bounded_and_drops_the_oldest(tmp_path: Path) -> None:
    stored(tmp_path / "probe")
    (one,) = (tmp_path / "probe").glob("*/*.safetensors")
    size = one.stat().st_size
    cache = EmbeddingCache(memory_bytes=0, folder=tmp_path / "store", disk_bytes=3 * size)
    for n in range(5):
        cache.get(replace(KEY, index=n), features)
        cache.flush()
        for file in (tmp_path / "store").glob("*/*.safetensors"):  # age what is there: clocks are too coarse
            os.utime(file, (file.stat().st_atime - 10, file.stat().st_mtime - 10))
    files = list((tmp_path / "store").glob("*/*.safetensors"))
    assert sum(f.stat().st_size for f in files) <= 3 * size
    assert cache.contains(replace(KEY, index=4)) and not cache.contains(replace(KEY, index=0))


def test_a_full_disk_costs_no_click(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("sam_infer.slices.embedding_files.write_features", full)
    cache = EmbeddingCache(folder=tmp_path)
    assert same(cache.get(KEY, features), features())
    cache.flush()
    assert cache.contains(KEY) and not list(tmp_path.glob("*/*.safetensors"))


def test_nobody_waits_for_a_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A slow one costs a click nothing, until so much waits for it that memory would run out."""
    written, go = [], threading.Event()

    def slow(path: Path, found: Features) -> None:
        if threading.current_thread() is not threading.main_thread():
            assert go.wait(60)
        written.append(path.name)
        write_features(path, found)

    monkeypatch.setattr("sam_infer.slices.embedding_files.write_features", slow)
    cache = EmbeddingCache(folder=tmp_path)
    for n in range(MOST_WAITING):
        cache.get(replace(KEY, index=n), features)
    assert not written
    last = replace(KEY, index=MOST_WAITING)
    cache.get(last, features)
    assert written == [f"{last.digest}.safetensors"]
    go.set()
    cache.flush()
    assert len(written) == MOST_WAITING + 1


def test_what_a_process_has_not_stored_yet_is_stored_when_it_ends(tmp_path: Path) -> None:
    script = (
        "import sys, torch; from pathlib import Path;"
        "from sam_infer.slices.embedding_cache import EmbeddingCache, EmbeddingKey;"
        "cache = EmbeddingCache(folder=Path(sys.argv[1]));"
        "[cache.get(EmbeddingKey('image', 2, n, '0:1', '0,0,8,8', 256, 'e'), lambda: {'a': torch.zeros(9)}) "
        "for n in range(5)]"
    )
    subprocess.run([sys.executable, "-c", script, str(tmp_path)], check=True)
    assert len(list(tmp_path.glob("*/*.safetensors"))) == 5


def test_features_of_an_image_that_is_being_read_get_its_digest(tmp_path: Path) -> None:
    cache, coming = EmbeddingCache(folder=tmp_path), replace(KEY, image="arriving 1")
    cache.get(coming, features)
    cache.get(replace(KEY, image="arriving 2"), lambda: features(2.0))
    cache.flush()
    assert not list(tmp_path.glob("*/*"))
    cache.rename("arriving 1", KEY.image)
    cache.rename("arriving 2", None)
    assert same(cache.get(KEY, lambda: pytest.fail("encoded again")), features())
    assert not cache.contains(coming) and cache.used_bytes == 4 * 4 * 4 + 2 * 2
    cache.flush()
    assert [file.stem for file in tmp_path.glob("*/*")] == [KEY.digest]
