"""Phases are timed apart, and a fresh process says how big it is."""

from __future__ import annotations

import pytest

from sam_infer.errors import SamError
from sam_infer.networks.tiny.backbone import WEIGHTS
from sam_trainer.bench import latency
from sam_trainer.bench.exam import Exam
from sam_trainer.bench.latency import Probe, fresh_process, least_cpu, measure


def test_every_phase_has_a_median_and_the_encoder_runs_once_per_slice(exam: Exam) -> None:
    rows = {row["phase"]: row for row in measure(exam.backbone, exam.subjects, repeats=3)}
    phases = {"encode", "decode", "first_click", "next_click", "third_click", "box", "other_slice"}
    assert rows.keys() == phases
    assert all(
        {"server", "model", "phase", "clients", "median_ms", "p95_ms", "n"} <= row.keys() for row in rows.values()
    )
    assert rows["encode"]["n"] == 3
    assert all(row["p95_ms"] >= row["median_ms"] > 0 for row in rows.values())


def test_the_cheapest_of_some_tries_counts() -> None:
    work = iter((200_000, 10, 100_000))
    least = least_cpu(lambda: sum(range(next(work))), 3)
    assert next(work, None) is None
    assert 0 <= least <= least_cpu(lambda: sum(range(20_000_000)), 1)


def test_nothing_to_measure_on_is_refused(exam: Exam) -> None:
    with pytest.raises(SamError, match="no object"):
        measure(exam.backbone, [], repeats=1)


def test_cold_start_and_memory_come_from_fresh_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    probes = iter([Probe(2.0, 900, 800), Probe(4.0, 950, 700), Probe(3.0, 920, 750)])
    monkeypatch.setattr(latency, "_probe", lambda model: next(probes))
    cold, memory = fresh_process("tiny")
    assert (cold["phase"], cold["median_ms"], cold["n"]) == ("cold_start", 3000.0, 3)
    assert (memory["phase"], memory["bytes"], memory["peak_bytes"]) == ("memory", 800, 950)


@pytest.mark.slow
def test_a_fresh_process_that_cannot_predict_says_why() -> None:
    with pytest.raises(SamError, match="no model 'huge'"):
        fresh_process("huge", starts=1)


@pytest.mark.slow
@pytest.mark.skipif(not WEIGHTS.is_file(), reason="the embedded weights are not in this checkout")
def test_a_process_that_only_predicts_is_measured() -> None:
    cold, memory = fresh_process("tiny", starts=1)
    assert cold["median_ms"] > 100
    assert 100 << 20 < memory["bytes"] <= memory["peak_bytes"] < 4 << 30
