"""The store: whole or not at all, one pointer, a way back."""

from __future__ import annotations

import errno
import json
import os
from functools import partial
from pathlib import Path

import pytest

from sam_infer.adapters.adapter import Adapter
from sam_infer.adapters.ids import ADAPTER_FILE
from sam_infer.adapters.store import POINTER_FILE, AdapterStore
from sam_infer.errors import AdapterError, AuditError, UnknownAdapterError
from tests.processes import apart, wait_until
from tests.sam_infer.adapters.promotions import promote
from tests.sam_infer.adapters.test_adapter import provenance, tensors


@pytest.fixture
def store(tmp_path: Path) -> AdapterStore:
    return AdapterStore("tiny", tmp_path)


def put(store: AdapterStore, seed: int) -> str:
    return store.put(Adapter(tensors(seed), provenance(seed=seed)))


def test_an_adapter_is_kept_once_under_its_content(store: AdapterStore) -> None:
    name = put(store, 1)
    assert put(store, 1) == name
    assert [stored.id for stored in store.adapters()] == [name]
    assert store.get(name).provenance.seed == 1
    assert not list(store.folder.glob(".put-*"))


def test_a_beginning_of_an_id_is_enough(store: AdapterStore) -> None:
    first, second = put(store, 1), put(store, 2)
    assert store.find(first[:10]) == first and store.find(second) == second
    for beginning in ("", "zz", "../x"):
        with pytest.raises(UnknownAdapterError, match="samlabel adapters list"):
            store.find(beginning)


def test_a_changed_byte_is_found(store: AdapterStore) -> None:
    name = put(store, 1)
    file = store.folder / name / ADAPTER_FILE
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    file.write_bytes(data)
    with pytest.raises(AdapterError, match="changed or is damaged"):
        store.get(name)
    with pytest.raises(AdapterError, match="changed or is damaged"):
        store.promote(name, "test")
    assert store.pointer().adapter is None


def test_rolling_back_goes_back_step_by_step(store: AdapterStore) -> None:
    first, second = put(store, 1), put(store, 2)
    with pytest.raises(AdapterError, match="nothing to go back from"):
        store.rollback("too early")
    for name in (first, second, first):
        store.promote(name[:12], "test")
    assert store.pointer().adapter == first and store.pointer().promoted == [first, second]
    assert store.rollback("worse") == second and store.pointer().promoted == [second, first]
    assert store.rollback("worse") == first and store.pointer().promoted == [first]
    assert store.rollback("worse") is None
    assert [move.why for move in store.pointer().history] == ["test"] * 3 + ["worse"] * 3
    store.promote(second, "again")
    assert store.rollback("worse") is None


def test_the_stamp_moves_with_the_pointer_and_only_then(store: AdapterStore) -> None:
    name = put(store, 1)
    before = store.stamp()
    put(store, 2)
    assert store.stamp() == before
    store.promote(name, "test")
    after = store.stamp()
    assert after != before
    store.promote(name, "again")
    assert store.stamp() != after


def test_a_verdict_lies_beside_its_adapter(store: AdapterStore) -> None:
    name = put(store, 1)
    assert store.verdict(name) is None
    store.write_verdict(name, {"gain": 0.1})
    assert store.verdict(name) == {"gain": 0.1}


def test_a_damaged_pointer_is_a_sentence_and_a_promotion_mends_it(store: AdapterStore) -> None:
    name = put(store, 1)
    (store.folder / POINTER_FILE).write_text('{"adapter": ')
    with pytest.raises(AdapterError, match="promote an adapter again"):
        store.pointer()
    store.promote(name, "mended")
    assert store.pointer().adapter == name


def test_a_full_disk_leaves_nothing_half_done(store: AdapterStore, monkeypatch: pytest.MonkeyPatch) -> None:
    serving = put(store, 1)
    store.promote(serving, "test")
    other = put(store, 2)

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(AdapterError, match=r"No space left.*free some space"):
        put(store, 3)
    with pytest.raises(AuditError, match=r"No space left.*free some space"):
        store.promote(other, "test")
    monkeypatch.undo()
    assert store.pointer().adapter == serving
    assert {stored.id for stored in store.adapters()} == {serving, other}
    assert {path.name for path in store.folder.iterdir()} == {serving, other, POINTER_FILE, ".lock"}


def test_an_adapter_of_another_model_is_refused(store: AdapterStore) -> None:
    with pytest.raises(AdapterError, match="does not belong to tiny"):
        store.put(Adapter(tensors(), provenance(model="vit_b")))


def serves(store: AdapterStore, name: str) -> bool:
    return store.pointer().adapter == name


@pytest.mark.slow
def test_readers_see_one_whole_pointer_while_another_process_moves_it_and_is_killed(tmp_path: Path) -> None:
    store = AdapterStore("tiny", tmp_path)
    names = {put(store, 1), put(store, 2)}
    for _ in range(3):
        with apart(promote, tmp_path):
            for name in names:  # every one of these readings must be a whole one
                wait_until(partial(serves, store, name), "a promotion of either", every_s=0.0)
        assert store.pointer().adapter in names
        store.promote(sorted(names)[0], "after the crash")
        json.loads((store.folder / POINTER_FILE).read_text())
