import os
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from sam_infer.networks.backbone import Features
from sam_infer.slices.embedding_cache import EmbeddingCache, EmbeddingKey

KEY = EmbeddingKey("image", 2, 5, "0:1", "0,0,8,8", 256, "encoder")


def features(value: float = 1.0) -> Features:
    return {"a": torch.full((1, 4, 4), value), "b": torch.full((2,), value, dtype=torch.float16)}


def same(left: Features, right: Features) -> bool:
    return left.keys() == right.keys() and all(torch.equal(left[k], right[k]) for k in left)


def test_a_slice_is_encoded_once(tmp_path: Path) -> None:
    cache = EmbeddingCache(folder=tmp_path)
    first = cache.get(KEY, features)
    again = cache.get(KEY, lambda: pytest.fail("encoded twice"))
    assert same(first, again) and cache.stats.encodes == 1 and cache.stats.memory_hits == 1


def test_after_a_restart_nothing_is_encoded(tmp_path: Path) -> None:
    EmbeddingCache(folder=tmp_path).get(KEY, features)
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
    EmbeddingCache(folder=tmp_path).get(KEY, features)
    (file,) = tmp_path.glob("*/*.safetensors")
    data = bytearray(file.read_bytes())
    if damage == "flip":
        data[-3] ^= 1
    file.write_bytes({"flip": bytes(data), "truncate": bytes(data[:-9]), "empty": b"", "text": b"hello"}[damage])
    cache = EmbeddingCache(folder=tmp_path)
    assert same(cache.get(KEY, features), features())
    assert (cache.stats.dropped, cache.stats.encodes) == (1, 1)
    assert same(EmbeddingCache(folder=tmp_path).get(KEY, lambda: pytest.fail("not repaired")), features())


def test_memory_is_bounded_and_forgets_the_longest_unused() -> None:
    size = 4 * 4 * 4 + 2 * 2
    cache = EmbeddingCache(memory_bytes=2 * size)
    keys = [replace(KEY, index=n) for n in range(3)]
    for key in (keys[0], keys[1], keys[0], keys[2]):
        cache.get(key, features)
    assert [cache.contains(key) for key in keys] == [True, False, True]


def test_disk_is_bounded_and_drops_the_oldest(tmp_path: Path) -> None:
    probe = EmbeddingCache(folder=tmp_path / "probe")
    probe.get(KEY, features)
    (one,) = (tmp_path / "probe").glob("*/*.safetensors")
    size = one.stat().st_size
    cache = EmbeddingCache(memory_bytes=0, folder=tmp_path / "store", disk_bytes=3 * size)
    for n in range(5):
        cache.get(replace(KEY, index=n), features)
        for file in (tmp_path / "store").glob("*/*.safetensors"):  # age what is there: clocks are too coarse
            os.utime(file, (file.stat().st_atime - 10, file.stat().st_mtime - 10))
    files = list((tmp_path / "store").glob("*/*.safetensors"))
    assert sum(f.stat().st_size for f in files) <= 3 * size
    assert cache.contains(replace(KEY, index=4)) and not cache.contains(replace(KEY, index=0))


def test_a_full_disk_costs_no_click(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("sam_infer.slices.embedding_cache.write_features", full)
    assert same(EmbeddingCache(folder=tmp_path).get(KEY, features), features())
