"""Streams: what is measured before anything is taught, and rows that say what learning is worth."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from sam_infer.models.load import load_backbone
from sam_infer.slices.embedding_cache import EmbeddingCache
from sam_infer.slices.predictor import Predictor
from sam_trainer.bench.stream import one_stream, run, timing
from sam_trainer.bench.stream.occasions import biased, of_sources, redrawn
from sam_trainer.bench.stream.one_stream import Condition, OneStream
from sam_trainer.labels.cases import read_sources
from sam_trainer.reports.journal import Journal
from tests.samlabel.region_growing import RegionGrowing

LENGTH = 5


@pytest.fixture(autouse=True)
def quick(one_thread: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """One step for each label over a few, and two corrections."""
    monkeypatch.setattr("sam_trainer.online.learner.STEPS", 1)
    monkeypatch.setattr("sam_trainer.online.learner.DRAWN", 2)
    monkeypatch.setattr("sam_trainer.online.crop.SIDE", 16)
    monkeypatch.setattr("sam_trainer.online.network.LEVELS", 2)
    monkeypatch.setattr(one_stream, "MOST_CLICKS", 2)
    monkeypatch.setattr("sam_trainer.online.fusion.LAST", 2)


@pytest.fixture
def predictor() -> Predictor:
    return Predictor(RegionGrowing("x"), EmbeddingCache())


def test_the_first_answers_are_the_networks_and_a_poisoned_future_label_changes_nothing(predictor) -> None:
    """The second but last label is turned inside out; only the last answer can know it."""
    plain = OneStream(predictor, biased(LENGTH), Condition()).rows()
    poisoned = OneStream(
        predictor,
        biased(LENGTH),
        Condition(),
        poisoned=lambda number, one: one if number < 3 else replace(one, truth=~one.truth),
    ).rows()
    assert all(row["same"] for row in plain[:2]) and [row["number"] for row in plain] == list(range(LENGTH))
    assert poisoned[:4] == plain[:4]
    assert poisoned[4] != plain[4]


def test_rows_of_whole_and_second_half_with_intervals_and_an_interrupted_run_goes_on(
    predictor, tmp_path, monkeypatch
) -> None:
    monkeypatch.setattr(run, "CONDITIONS", (Condition(), Condition(2), Condition(noisy=True)))
    monkeypatch.setattr(run, "timed", lambda _: [{"timing": "update", "median_seconds": 0.1}])
    kept = []
    outcome = run.run_stream(predictor.backbone, [biased(2)], Journal(), kept.append)
    halves = [row for row in outcome.rows if "part" in row]
    assert {(row["feedback"], row["part"], row["cases"]) for row in halves} == {
        (name, part, cases)
        for name in ("1/1", "1/2", "1/1 noisy")
        for part, cases in (("whole", 2), ("second half", 1))
    }
    assert all(row["first_same"] and row["gain"] == 0 and row["fewer"] == 0 for row in halves)  # too short to learn
    assert (
        len(kept) == 3 and outcome.rows[-1]["timing"] == "update" and "Corrective clicks" in "".join(outcome.page.parts)
    )


def test_folders_are_streams_of_cases_by_name(small_studies) -> None:
    streams = of_sources(read_sources(small_studies), limit=1)
    assert [len(stream.occasions) for stream in streams] == [1, 1, 1]
    volume, objects = streams[0].occasions[0].open()
    assert objects and all(one.truth.shape == (one.view.height, one.view.width) for one in objects)
    assert volume.geometry.shape == objects[0].view.shape


def test_careless_outlines_are_near_the_true_ones() -> None:
    mask = np.hypot(*(np.mgrid[:60, :60] - 30)) < 20
    found = {int(redrawn(mask, np.random.default_rng(n)).sum()) for n in range(8)}
    share = np.array(sorted(found)) / mask.sum()
    assert share.min() < 0.95 and share.max() > 1.05 and 0.75 < share.min() and share.max() < 1.25


def test_updates_and_clicks_are_timed_in_pairs(predictor, monkeypatch) -> None:
    monkeypatch.setattr(timing, "LENGTH", 3)
    monkeypatch.setattr(timing, "CLICKS", 2)
    monkeypatch.setattr(timing, "UPDATES", 1)
    update, beside, fused = timing.timed(predictor)
    assert update["parameters"] > 1000 and update["most_seconds"] > 0
    assert beside["clicks"] == fused["clicks"] == 2
    assert beside["ci_low"] <= beside["difference_ms"] <= beside["ci_high"]


@pytest.mark.accept
def test_on_the_biased_stream_what_is_learned_helps(monkeypatch) -> None:
    """M stream: the last 20 of 40, fused less alone, has an interval above 0; every other label teaches enough."""
    monkeypatch.undo()
    monkeypatch.setattr(run, "CONDITIONS", (Condition(), Condition(2)))
    monkeypatch.setattr(run, "timed", lambda _: [])
    rows = run.run_stream(load_backbone("tiny"), [biased()], Journal()).rows
    late = [row for row in rows if row["part"] == "second half"]
    assert all(row["ci_low"] > 0 and row["first_same"] and row["cases"] == 20 for row in late)
    assert late[0]["fewer_low"] > 0
