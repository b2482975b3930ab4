"""kill -9 at random moments of saving, training and promoting: what was acknowledged is there, and it goes on."""

from __future__ import annotations

import time
from multiprocessing import get_context
from multiprocessing.context import ForkServerProcess
from pathlib import Path

import numpy as np
import pytest

from sam_infer.adapters.store import AdapterStore
from sam_trainer.labels.ledger import Ledger
from sam_trainer.studies import Studies
from tests.accept.result_rows import KILLS
from tests.sam_trainer.conftest import flat_case
from tests.sam_trainer.training.day import day

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3000)]

STAGES = ("saving", "training", "promoting")

# Saving and promoting are over in an instant: left to chance, every kill would meet the training.
AIMS = (None, "saving", None, "promoting")
BRIEF = 0.03

# Every process begins as a copy of one that has imported everything: a day is short, importing is not.
CONTEXT = get_context("forkserver")
CONTEXT.set_forkserver_preload(["tests.sam_trainer.day"])


def begun(studies: Path, home: Path, told: Path, days: int = 1000) -> ForkServerProcess:
    process = CONTEXT.Process(target=day, args=(studies, home, told, days))
    before = told.read_bytes() if told.exists() else b""
    process.start()
    while not told.exists() or told.read_bytes() == before:
        assert process.exitcode is None, "the day ended before it began"
        time.sleep(0.005)
    return process


def lines(told: Path) -> list[tuple[str, ...]]:
    return [tuple(line.split()) for line in told.read_text().splitlines()]


@pytest.mark.parametrize("kills", [5, pytest.param(50, marks=pytest.mark.accept)])
def test_what_was_acknowledged_survives_and_the_training_goes_on(kills: int, tmp_path: Path) -> None:
    studies, home, told, started = tmp_path / "studies", tmp_path / "home", tmp_path / "told", time.time()
    for n, name in enumerate(("a", "e", "case1", "h")):
        flat_case(studies, name, n)
    quiet = begun(studies, tmp_path / "quiet", tmp_path / "quiet-told", days=1)
    began = time.monotonic()
    quiet.join()
    assert quiet.exitcode == 0
    whole_day = time.monotonic() - began
    rng, met = np.random.default_rng(kills), dict.fromkeys(STAGES, 0)
    for n in range(kills):
        before = len(lines(told)) if told.exists() else 0
        process = begun(studies, home, told)
        if aim := AIMS[n % len(AIMS)]:
            while not any(entry[0] == aim for entry in lines(told)[before:]):
                time.sleep(0.001)
            time.sleep(float(rng.uniform(0, BRIEF)))
        else:
            time.sleep(float(rng.uniform(0, 1.2 * whole_day)))
        assert process.exitcode is None, "it must be killed, not end by itself"
        process.kill()
        process.join()
        met[next(entry[0] for entry in reversed(lines(told)) if entry[0] in STAGES)] += 1
        check(lines(told), studies, home)
    before = len(lines(told))
    last = begun(studies, home, told, days=1)
    last.join()
    assert last.exitcode == 0
    check(lines(told), studies, home)
    assert {entry[0] for entry in lines(told)[before:]} >= {"label", "adapter", "serves"}
    # the same labels and seed: whatever was killed, one adapter came of it all
    adapters = {entry[1] for entry in [*lines(told), *lines(tmp_path / "quiet-told")] if entry[0] == "adapter"}
    assert len(adapters) == 1
    if kills >= 50:
        assert all(met.values()), met
        labels = sum(entry[0] == "label" for entry in lines(told))
        resumed = sum(entry[0] == "resumed" for entry in lines(told))
        KILLS.add(
            {
                "what": "save, train, promote",
                "kills": kills,
                **{f"killed_{k}": n for k, n in met.items()},
                "labels_acknowledged": labels,
                "labels_lost_or_damaged": 0,
                "trainings_resumed": resumed,
                "adapters": len(adapters),
            },
            started,
        )


def check(told: list[tuple[str, ...]], studies: Path, home: Path) -> None:
    """Every acknowledged label and adapter is there, whole; what serves is whole and one that was announced."""
    ledger, store = Ledger.of(Studies.of(studies), home), AdapterStore("tiny", home)
    known = {(record.case, record.label_sha256): record for record in ledger.records()}
    for entry in told:
        if entry[0] == "label":
            record = known[entry[1], entry[2]]
            assert ledger.label(record).exists() and record.facts["reader"].startswith("reader")
        if entry[0] == "adapter":
            assert store.get(entry[1]).provenance.method == "decoder"
    serving = store.pointer().adapter
    if serving is not None:
        store.get(serving)
        assert serving in {stored.id for stored in store.adapters()}
