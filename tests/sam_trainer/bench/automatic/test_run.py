"""The automatic bench: a small run with every mode and baseline, its rows, a hidden label, and a broken run."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sam_infer.automatic.experimental import EXPERIMENTAL
from sam_infer.errors import VolumeError
from sam_infer.imaging.volume import Mask
from sam_infer.slices.embedding_cache import EmbeddingCache
from sam_infer.slices.predictor import Predictor
from sam_trainer.bench.automatic import fold_run
from sam_trainer.bench.automatic.folds import AutoPlan, Fold, folds_of
from sam_trainer.bench.automatic.methods import BASELINE_OF, GRID_PREVIOUS, NOTHING, PREVIOUS, modes_on
from sam_trainer.bench.automatic.run import experimental, gains, run_auto, verdicts
from sam_trainer.bench.runs import Outcome
from sam_trainer.labels.cases import read_sources
from sam_trainer.proposals.left_out import LeftOut
from sam_trainer.reports.journal import Journal
from sam_trainer.reports.table import MEAN, Observation
from tests.conftest import BrightNetwork
from tests.small_studies import ball_case, flat_case

PLAN = AutoPlan(folds=1, budget=0, gallery=64)


@dataclass
class Base:
    """A network as a bench is given it."""

    network: BrightNetwork
    name: str = "bright"

    def backbone(self) -> BrightNetwork:
        return self.network


@pytest.fixture(scope="module", autouse=True)
def short_trainings() -> Iterator[None]:
    """What accepted slices teach, in a few steps: here rows count, not how good heads are."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sam_infer.automatic.taught.box_head.STEPS", 3)
        patch.setattr("sam_infer.automatic.taught.self_prompt.STEPS", 3)
        yield


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three pictures with a ring around a core, and disks."""
    root = tmp_path_factory.mktemp("auto") / "flat"
    facts = {"modality": "ultrasound", "labels": {"1": "disk", "2": "ring", "3": "core"}, "includes": {"2": ["3"]}}
    for number in range(3):
        flat_case(root, f"flat_{number}", number)
    (root / "dataset.json").write_text(json.dumps({"cases": {f"flat_{n}": facts for n in range(3)}}))
    return root


@pytest.fixture(scope="module")
def fold(folder: Path) -> Fold:
    return folds_of(read_sources(folder), PLAN)[0]


@pytest.fixture(scope="module")
def outcome(fold: Fold, bright: type[BrightNetwork], one_thread: None) -> tuple[Outcome, Journal]:
    journal = Journal()
    return run_auto(Base(bright()), [fold], PLAN, journal), journal


def means(outcome: Outcome) -> dict[str, dict[str, Any]]:
    return {row["method"]: row for row in outcome.rows if row.get("source") == MEAN and "kind" in row}


def test_every_mode_has_a_row_beside_its_baseline(outcome: tuple[Outcome, Journal]) -> None:
    rows = means(outcome[0])
    volumes = {"atlas", "atlas atlases=3", "grid", "grid gallery=full", "warped label", "warped labels of 3"}
    volumes |= {*GRID_PREVIOUS, PREVIOUS}  # a picture is laid over nothing and has no slice before
    assert set(rows) == {*BASELINE_OF, *BASELINE_OF.values()} - volumes
    refused = {row["refused"] for row in outcome[0].rows if "refused" in row}
    assert refused == volumes - {*GRID_PREVIOUS, PREVIOUS}
    assert all({"dice", "nsd", "hd95", "clicks", "reached", "seconds"} <= set(row) for row in rows.values())
    assert rows[NOTHING]["dice"] == 0 and rows[NOTHING]["clicks"] > 0
    labels = {row["label"] for row in outcome[0].rows if row.get("method") == "detect" and row.get("kind")}
    assert labels == {"disk", "ring", "core", "all"}


def test_cases_that_look_alike_save_clicks(outcome: tuple[Outcome, Journal]) -> None:
    rows = means(outcome[0])
    assert rows["coarse map"]["dice"] > 0.85 and rows["selfprompt"]["clicks"] < rows[NOTHING]["clicks"]
    assert rows["best"]["clicks"] <= rows[NOTHING]["clicks"]
    chosen = [row for row in outcome[0].rows if "best" in row]
    assert {row["label"] for row in chosen} == {"disk", "ring", "core"}
    assert all("measured on 2 accepted cases" in row["why"] for row in chosen)


def test_differences_are_paired_and_said_of_all_folders(outcome: tuple[Outcome, Journal]) -> None:
    found = {(row["method"], row["over"], row["measure"]) for row in outcome[0].rows if "gain" in row}
    assert {("best", NOTHING, "clicks"), ("detect", "boxes", "dice")} <= found
    assert ("selfprompt", "selfprompt passes=1", "clicks") in found
    (row,) = [row for row in outcome[0].rows if row.get("what") == "full gallery"]
    assert row["pixels"] == 64 and row["second_label_seconds"] < row["first_label_seconds"]


def test_a_run_goes_on_where_it_was(fold: Fold, outcome: tuple[Outcome, Journal], monkeypatch: Any) -> None:
    monkeypatch.setattr(fold_run.FoldRun, "told", lambda _: pytest.fail("measured again"))
    again = run_auto(Base(BrightNetwork()), [fold], PLAN, outcome[1])
    assert again.rows == outcome[0].rows


def test_a_hidden_label_changes_no_answer(fold: Fold, network: BrightNetwork) -> None:
    """Poison: with another label of its own the case gets the same answers; only scores may change."""
    left_out = fold.asked(Predictor(network, EmbeddingCache()))
    wrong = Mask(np.asfortranarray(np.full_like(left_out.truth.array, 2)), left_out.truth.geometry)
    poisoned = LeftOut(replace(left_out.asked), wrong, left_out.nested)
    ways = ("selfprompt", "selfprompt heads=trained", "detect", "grid expects=map", "propose")
    clean, other = modes_on(left_out, 0), modes_on(poisoned, 0)
    for name in ways:
        values = clean[name]().values
        assert np.array_equal(values, other[name]().values), name
    run = fold_run.FoldRun(Base(network), left_out.asked.predictor, fold, PLAN)
    assert run.chosen(left_out) == run.chosen(poisoned)


def test_an_outline_includes_what_lies_inside_it(fold: Fold, network: BrightNetwork) -> None:
    left_out = fold.asked(Predictor(network, EmbeddingCache()))
    ring, core = left_out.on("ring", 0), left_out.on("core", 0)
    assert fold.nested == {2: (3,)} and (ring & core).sum() == core.sum() > 0


def test_a_volume_is_asked_on_a_few_slices_and_knows_the_one_before(tmp_path: Path, network: BrightNetwork) -> None:
    names = {f"ball_{n}": {"modality": "MR", "labels": {"1": "ball"}} for n in range(2)}
    for name in names:
        ball_case(tmp_path / "balls", name)
    (tmp_path / "balls" / "dataset.json").write_text(json.dumps({"cases": names}))
    left_out = folds_of(read_sources(tmp_path), PLAN)[0].asked(Predictor(network, EmbeddingCache()))
    assert left_out.asked.axis == 0 and left_out.asked.teachers == []  # the same image teaches nothing about itself
    spots = left_out.spots(fold_run.Spots(2, 4))
    assert len(spots) == 2 and all(names == ["ball"] for _, names in spots)
    prior = left_out.previous(6)
    assert prior is not None and np.array_equal(prior.array[6], left_out.truth.array[5]) and not prior.array[7].any()
    assert set(GRID_PREVIOUS) <= set(modes_on(left_out, 6))


def test_alone_a_case_is_refused(tmp_path: Path) -> None:
    flat_case(tmp_path / "one", "flat", 0)
    with pytest.raises(VolumeError, match="two labelled cases"):
        folds_of(read_sources(tmp_path), PLAN)


def seen(source: str, method: str, clicks: float) -> Observation:
    keys = (("method", method), ("kind", "mode"))
    return Observation(source, "case", "l", "CT", True, keys, {"dice": 0.5, "clicks": clicks})


def test_a_mode_that_is_worse_everywhere_is_experimental() -> None:
    marks = [seen(source, "atlas", 3) for source in "ab"] + [seen(source, "warped label", 2) for source in "ab"]
    marks += [seen("a", "grid", 3), seen("b", "grid", 1)]
    found = {row["verdict"]: row for row in verdicts(marks)}
    assert found["atlas"]["experimental"] and found["atlas"]["worse"] == found["atlas"]["folders"] == 2
    assert not found["grid"]["experimental"]
    assert experimental(list(found.values())) == ("atlas",)
    share = [row for row in gains(marks) if (row["source"], row["method"], row["measure"]) == (MEAN, "grid", "clicks")]
    assert share[0]["gain"] == 0 and share[0]["fewer"] == 0


def test_modes_are_called_experimental_where_the_committed_result_says_so() -> None:
    file = Path(__file__).parents[4] / "benchmarks" / "results" / "auto.json"
    if not file.exists():
        pytest.skip("not measured yet: samlabel bench auto")
    assert set(EXPERIMENTAL) == set(experimental(json.loads(file.read_text())["rows"]))
