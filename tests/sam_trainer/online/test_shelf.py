"""Learners on disk: nothing twice, nothing half, nothing of what was taken back."""

from __future__ import annotations

import errno
import random
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from sam_trainer.online.learner import rebuilt
from sam_trainer.online.shelf import Shelf
from sam_trainer.online.state_file import read_learner, write_learner
from tests.processes import apart, wait_until
from tests.sam_trainer.online.conftest import wider

KILLS = 20


@pytest.fixture(autouse=True)
def one_step(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sam_trainer.online.learner.STEPS", 1)


@pytest.fixture
def shelf(tmp_path: Path, sample) -> Shelf:
    """Six labels of `liver`, one of a label whose name is no file's."""
    shelf = Shelf(tmp_path / "team")
    for number in range(1, 7):
        shelf.learn("liver", [sample(number)])
    shelf.learn("a/b: ü", [sample(7)])
    return shelf


def test_a_record_is_learned_once_and_what_is_on_disk_goes_on_as_if_it_had_stayed(shelf, sample, tmp_path) -> None:
    assert shelf.labels() == ["a/b: ü", "liver"]
    shelf.learn("liver", [sample(6)])
    reborn = Shelf(tmp_path / "team")  # as after kill -9
    assert reborn.standings()[1].taught == 6
    reborn.learn("liver", [sample(8)])
    kept = read_learner(tmp_path / "team" / "liver.safetensors")
    lived = rebuilt([sample(n) for n in (*range(1, 7), 8)], 8)
    assert kept is not None and kept.record == 8
    assert all(torch.equal(a, b) for a, b in zip(kept.network.parameters(), lived.network.parameters(), strict=True))
    assert all(map(np.array_equal, kept.curves, lived.curves))


def test_what_a_case_taught_before_leaves_every_queue(shelf, sample) -> None:
    shelf.forget("case3", before=3)  # nothing but the record itself: heard again after a crash
    assert shelf.standings()[1].taught == 6
    shelf.forget("case3", before=9)
    assert shelf.standings()[1].cases == ("case1", "case2", "case4", "case5", "case6")
    shelf.learn("liver", [sample(3)])
    assert "case3" not in shelf.standings()[1].cases  # it was heard


def test_off_and_reset(shelf, monkeypatch) -> None:
    asked = shelf.refiner(["liver", "spleen"])
    assert asked is not None and set(asked.learned) == {"liver"} and shelf.refiner(["spleen"]) is None
    shelf.switch(False)
    assert not shelf.is_on and shelf.refiner(["liver"]) is None
    shelf.switch(True)
    assert shelf.refiner(["liver"]).key == asked.key
    shelf.reset()
    assert shelf.labels() == [] and shelf.refiner(["liver"]) is None and shelf.is_on


def test_a_write_that_fails_leaves_the_learner_as_it_was(shelf, sample, monkeypatch, tmp_path) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("sam_trainer.online.state_file.write_whole", full)
        with pytest.raises(OSError):
            shelf.learn("liver", [sample(9)])
    assert Shelf(tmp_path / "team").standings()[1].taught == 6


def test_what_cannot_be_read_begins_anew(tmp_path, sample) -> None:
    file = tmp_path / "x.safetensors"
    write_learner(file, rebuilt([], 0))
    assert read_learner(file).taught == 0 and read_learner(tmp_path / "none") is None
    file.write_bytes(file.read_bytes()[:-7])
    assert read_learner(file) is None
    write_learner(file, rebuilt([sample(1)], 1))
    file.write_bytes(file.read_bytes().replace(b'\\"version\\": 1', b'\\"version\\": 7'))
    assert read_learner(file) is None


def teach(folder: Path) -> None:
    """Learns records without an end, as a server that is never at rest."""
    torch.set_num_threads(1)
    shelf = Shelf(folder)
    first = 1 + max((one.record for one in [read_learner(folder / "liver.safetensors")] if one is not None), default=0)
    for number in range(first, 10_000):
        shelf.learn("liver", [wider(number)])


@pytest.mark.accept
def test_a_server_that_is_killed_anywhere_leaves_every_record_learned_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()  # the process that is killed has the whole network
    file, chance = tmp_path / "liver.safetensors", random.Random(0)
    for _ in range(KILLS):
        before = read_learner(file)
        heard = 0 if before is None else before.record
        with apart(teach, tmp_path):
            wait_until(lambda: file.exists() and read_learner(file).record > heard, "a record was learned")  # noqa: B023
            time.sleep(chance.uniform(0, 0.2))
        found = read_learner(file)
        assert found is not None and found.record == found.taught > heard
    assert [sample.record for sample in found.samples] == list(
        range(found.record - len(found.samples) + 1, found.record + 1)
    )
