"""kill -9 at random moments of saving, training and promoting: what was acknowledged is there, and it goes on."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from multiprocessing.context import ForkServerProcess
from pathlib import Path

import numpy as np
import pytest

from sam_infer.adapters.store import AdapterStore
from sam_infer.audit.line import PROMOTED
from sam_infer.audit.trail import Trail
from sam_infer.audit.verify import verify_trail
from sam_trainer.labels.ledger import Ledger
from sam_trainer.studies import Studies
from tests.accept.result_rows import KILLS
from tests.processes import apart, wait_until
from tests.sam_trainer.training.day import day
from tests.small_studies import flat_case

pytestmark = pytest.mark.slow

STAGES = ("saving", "training", "promoting")

# Saving and promoting are over in an instant: left to chance, every kill would meet the training.
AIMS = ("saving", None, "promoting", None)
BRIEF = 0.03


@contextmanager
def begun(studies: Path, home: Path, told: Path, days: int = 1000) -> Iterator[ForkServerProcess]:
    """So many days in a process of their own, once the first has begun."""
    before = told.read_bytes() if told.exists() else b""
    with apart(day, studies, home, told, days) as process:
        wait_until(
            lambda: process.exitcode is not None or (told.exists() and told.read_bytes() != before),
            "the day began",
            every_s=0.02,
        )
        assert process.exitcode in (None, 0), "the day ended before it began"
        yield process


def lived(studies: Path, home: Path, told: Path) -> float:
    """One whole day; how long it took."""
    with begun(studies, home, told, days=1) as process:
        began = time.monotonic()
        process.join()
        assert process.exitcode == 0
        return time.monotonic() - began


def lines(told: Path) -> list[tuple[str, ...]]:
    return [tuple(line.split()) for line in told.read_text().splitlines()]


def is_told(told: Path, before: int, stage: str) -> bool:
    """Whether a stage has begun after so many lines."""
    return any(entry.startswith(stage.encode()) for entry in told.read_bytes().splitlines()[before:])


# One kill for each aim; the long form meets every stage by chance too.
@pytest.mark.parametrize("kills", [3, pytest.param(50, marks=[pytest.mark.accept, pytest.mark.timeout(7200)])])
def test_what_was_acknowledged_survives_and_the_training_goes_on(kills: int, tmp_path: Path) -> None:
    studies, home, told, started = tmp_path / "studies", tmp_path / "home", tmp_path / "told", time.time()
    for n, name in enumerate(("a", "e", "case1", "h")):
        flat_case(studies, name, n)
    whole_day = lived(studies, tmp_path / "quiet", tmp_path / "quiet-told")
    rng, met = np.random.default_rng(kills), dict.fromkeys(STAGES, 0)
    for n in range(kills):
        before = len(lines(told)) if told.exists() else 0
        with begun(studies, home, told) as process:
            if aim := AIMS[n % len(AIMS)]:
                wait_until(partial(is_told, told, before, aim), aim, every_s=0.005)
                time.sleep(float(rng.uniform(0, BRIEF)))
            else:
                time.sleep(float(rng.uniform(0, 1.2 * whole_day)))
            assert process.exitcode is None, "it must be killed, not end by itself"
        met[next(entry[0] for entry in reversed(lines(told)) if entry[0] in STAGES)] += 1
        check(lines(told), studies, home)
    before = len(lines(told))
    lived(studies, home, told)
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
    trail = Trail.of(home)
    assert verify_trail(trail).faults == ()
    audited = {(line.what, line.subject, line.content) for line in trail.lines()}
    assert {("label accepted", entry[1], entry[2]) for entry in told if entry[0] == "label"} <= audited
    assert serving is None or (PROMOTED, "tiny", serving) in audited
