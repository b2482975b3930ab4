"""`--method auto` on small pictures: methods compete by the time, the last one is what it would have been alone."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from sam_infer.adapters.store import AdapterStore
from sam_infer.errors import AdapterError
from sam_infer.imaging.volume import Tags
from sam_trainer.config import BEST_OF, METHODS, STACKED, TrainConfig
from sam_trainer.errors import TrainingError
from sam_trainer.judging.policy import GatePolicy
from sam_trainer.labels.cases import read_sources
from sam_trainer.labels.round import AcceptedLabel
from sam_trainer.training import contest, run_round
from sam_trainer.training.contest import CONTESTANTS, Contest, contestants, not_taught
from sam_trainer.training.fit import Fit, Fitted
from sam_trainer.training.halving import TABLE_FILE, Runner, Turn
from sam_trainer.training.progress import Listener, Progress, read_progress
from sam_trainer.training.round_setup import Trained
from sam_trainer.training.run_round import PROGRESS_FILE, RoundOutcome, TrainingRound, training_folder
from sam_trainer.training.state import STATE_FILE, Standing
from tests.brief_training import ask_few
from tests.small_studies import flat_case

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("one_thread")]

# An epoch takes ten seconds on the clock of these tests: of three methods each has one in the first rung.
EPOCH_S = 10.0
SHORT = TrainConfig(
    method=BEST_OF,
    minutes=1.3,
    steps=1,
    images=1,
    objects=2,
    decodes=2,
    semantic_images=0,
    precision="float32",
)
POLICY = GatePolicy(held_out_cases=2, objects_per_case=1, clicks=5)
# Three that leave the encoder alone, whose embeddings are kept, and two that have no use for single pictures.
COMPETING = ("decoder", "dense_prompt", "hyper", "fact3d", "domain_bank")


@dataclass
class Clock:
    """Time that passes with epochs only."""

    now: float = 0.0
    epochs: int = 0


@pytest.fixture(scope="module", autouse=True)
def clock() -> Iterator[Clock]:
    """No picture of curves either, and a validation of two objects."""
    found = Clock()

    class TimedFit(Fit):
        def _conclude(self, epoch: int, progress: Listener) -> None:
            super()._conclude(epoch, progress)
            found.now += EPOCH_S
            found.epochs += 1

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(contest, "Fit", TimedFit)
        patch.setattr(contest, "monotonic", lambda: found.now)
        patch.setattr(contest, "CONTESTANTS", COMPETING)
        patch.setattr(run_round, "draw_fit", lambda *_: None)
        ask_few(patch)
        yield found


@pytest.fixture(scope="module")
def labels(tmp_path_factory: pytest.TempPathFactory) -> list[AcceptedLabel]:
    """Two teach, one validates, two judge; all are single pictures."""
    folder = tmp_path_factory.mktemp("contest")
    for n, name in enumerate(("a", "b", "e", "case1", "h")):
        flat_case(folder, name, n)
    return [AcceptedLabel(case) for case in read_sources(folder)[0].cases]


@dataclass
class Whole:
    """A contest without interruption."""

    outcome: RoundOutcome
    home: Path
    epochs: int


@pytest.fixture(scope="module")
def whole(labels: list[AcceptedLabel], clock: Clock, tmp_path_factory: pytest.TempPathFactory) -> Whole:
    home, before = tmp_path_factory.mktemp("whole"), clock.epochs
    return Whole(TrainingRound(SHORT, POLICY, home).run(labels), home, clock.epochs - before)


def table_of(outcome: RoundOutcome) -> list[dict[str, object]]:
    assert outcome.contest is not None
    return list(outcome.contest["methods"])


def test_the_last_one_in_is_judged_and_says_whom_it_was_chosen_from(whole: Whole) -> None:
    result, home = whole.outcome, whole.home
    assert result.adapter is not None and result.verdict is not None and result.verdict.cases == 2
    rows = table_of(result)
    competed, left_out = rows[:3], {row["method"]: row["out"] for row in rows[3:]}
    assert "single one" in str(left_out["fact3d"]) and "tags" in str(left_out["domain_bank"])
    assert [row["epochs"] for row in competed][1:] == [2, 1] and [len(row["dice"]) for row in competed] == [3, 2, 1]
    assert competed[1]["out"] == "out after rung 2: another was better"
    assert competed[2]["out"] == "out after rung 1: 2 others were better"
    assert sum(row["epochs"] for row in competed) == whole.epochs
    store, folder = AdapterStore("tiny", home), training_folder("tiny", home)
    made, verdict = store.get(result.adapter).provenance, store.verdict(result.adapter)
    assert made.method == competed[0]["method"] and made.settings["epochs"] == competed[0]["epochs"]
    assert "minutes" not in made.settings and made.metrics["auto"] == {"minutes": 1.3, "methods": rows}
    assert verdict is not None and verdict["auto"] == made.metrics["auto"]
    assert not list(folder.rglob(STATE_FILE)) and len(list(folder.glob(f"*/{TABLE_FILE}"))) == 1
    facts = read_progress(folder / PROGRESS_FILE)
    assert facts["state"] == "done" and facts["method"] == BEST_OF and facts["methods"] == rows
    assert facts["total_epochs"] == 3 and facts["run"].endswith(f"/{made.method}")


def test_the_last_one_in_is_what_it_would_have_been_alone(
    whole: Whole, labels: list[AcceptedLabel], tmp_path: Path
) -> None:
    won = AdapterStore("tiny", whole.home).get(str(whole.outcome.adapter))
    alone = replace(SHORT, method=won.provenance.method, epochs=won.provenance.settings["epochs"])
    again = AdapterStore("tiny", tmp_path).get(str(TrainingRound(alone, POLICY, tmp_path).run(labels).adapter))
    assert again.tensors.keys() == won.tensors.keys()
    assert all(torch.equal(again.tensors[name], value) for name, value in won.tensors.items())


def test_a_contest_that_was_stopped_goes_on_with_the_rung_under_way(
    whole: Whole, labels: list[AcceptedLabel], tmp_path: Path, clock: Clock
) -> None:
    progress, begun = training_folder("tiny", tmp_path) / PROGRESS_FILE, clock.epochs
    stopped = TrainingRound(SHORT, POLICY, tmp_path).run(labels, lambda: clock.epochs - begun >= 2)
    assert stopped.adapter is None and "stopped in rung 1 of 3: what every" in stopped.message
    assert read_progress(progress)["state"] == "stopped" and AdapterStore("tiny", tmp_path).adapters() == []
    (file,) = progress.parent.glob(f"*/{TABLE_FILE}")
    turns = {runner["method"]: runner["turns"] for runner in json.loads(file.read_text())["runners"]}
    assert [turns[method][0]["over"] for method in COMPETING[:2]] == [True, True]
    assert TrainingRound(SHORT, POLICY, tmp_path).run([], resume=True).adapter == whole.outcome.adapter
    assert clock.epochs - begun == whole.epochs
    with pytest.raises(TrainingError, match="no interrupted training"):
        TrainingRound(SHORT, POLICY, tmp_path).run([], resume=True)


def rows_of_played(folder: Path, minutes: float, fails: Sequence[str] = ()) -> dict[str, dict[str, object]]:
    """A contest in which nobody trains: an epoch of ten seconds is one turn."""

    def played(self: Contest, runner: Runner, turn: Turn, *_: object) -> Trained:
        if runner.method in fails:
            raise AdapterError(f"{runner.method} has no place in this network")
        turn.epochs, turn.seconds = turn.epochs + 1, turn.seconds + EPOCH_S
        fitted = Fitted({}, Standing(epoch=turn.epochs, best=0.5), stopped=False)
        return Trained(self._setup, fitted, 10, self._folder)

    lesson = said("")
    setup = SimpleNamespace(config=replace(SHORT, minutes=minutes), lessons=lambda *_: [lesson])
    setup.beside = lambda _: setup
    found = SimpleNamespace(of=lambda part: [part])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Contest, "_trained", played)
        trained = Contest(setup, found, folder, Progress(None, 1)).run()
    return {row["method"]: row for row in trained.contest["methods"]}


def test_one_that_cannot_be_trained_is_out_and_the_others_go_on(tmp_path: Path) -> None:
    rows = rows_of_played(tmp_path, minutes=5, fails=["decoder", "hyper"])
    assert rows["decoder"]["out"] == "out: decoder has no place in this network" and rows["dense_prompt"]["out"] == ""
    assert rows["fact3d"]["out"] == "out after rung 1: another was better"  # of equals the first, and it has slices
    (tmp_path / "all").mkdir()
    with pytest.raises(TrainingError, match=r"no method could be trained: decoder is out: .*; hyper is out"):
        rows_of_played(tmp_path / "all", minutes=5, fails=COMPETING)


def test_where_minutes_are_few_the_last_methods_do_not_begin(tmp_path: Path) -> None:
    rows = rows_of_played(tmp_path, minutes=0.2)
    assert rows["hyper"]["out"] == rows["fact3d"]["out"] == "left out: 0.2 minutes are too few for another method"
    assert rows["decoder"]["epochs"] == 2 and rows["dense_prompt"]["epochs"] == 1


def test_nobody_is_chosen_on_the_cases_that_taught(labels: list[AcceptedLabel], tmp_path: Path) -> None:
    teaching = [label for label in labels if label.case.name in ("a", "b", "case1")]
    with pytest.raises(TrainingError, match="label cases of more patients, or name a method"):
        TrainingRound(SHORT, POLICY, tmp_path).run(teaching)


def said(domain: str) -> SimpleNamespace:
    """As much of a lesson as is looked at: one of three slices, of an image of this domain."""
    return SimpleNamespace(case=domain, tags=Tags(domain), view=SimpleNamespace(axis=2, shape=(4, 4, 3)))


def test_who_competes_and_why_others_do_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contest, "CONTESTANTS", CONTESTANTS)
    given = TrainConfig(method=BEST_OF, slices=5, tags=("a", "b"), rank=8, minutes=7)
    found, left_out = contestants(given)
    assert [one.method for one in found] == list(CONTESTANTS) and not left_out
    assert {one.method: one.slices for one in found if one.slices} == {"fact3d": 5, "sdtrans": 5, "cine": 5}
    assert {one.method for one in found if one.tags} == {"domain_bank", "cine"}
    assert [not_taught(one, [said("a"), said("b")]) for one in found if one.method not in STACKED] == [""] * 8
    assert not_taught(TrainConfig(method="cine"), [said("a")]) == "no image that teaches says its view (tags)"
    assert "has the domain 'b'" in not_taught(TrainConfig(method="domain_bank", tags=("b",)), [said("a")])
    assert not not_taught(TrainConfig(method="domain_bank"), [said(""), said("b")])
    assert all(one.rank == 8 and one.minutes == TrainConfig.minutes for one in found)
    found, left_out = contestants(TrainConfig(method=BEST_OF, model="mobile_sam", tags=("a",)))
    assert "lora" not in {one.method for one in found} and "its encoder is another" in left_out["lora"]
    _, left_out = contestants(TrainConfig(method=BEST_OF, tags=("a",), checkpointing=True))
    assert list(left_out) == ["domain_bank"] and "checkpointing" in left_out["domain_bank"]
    assert set(METHODS) - set(CONTESTANTS) == {"full"}


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"lr": 1e-3}, "auto takes no lr"),
        ({"processes": 2}, "one process"),
        ({"minutes": 0}, "minutes must be from"),
        ({"slices": 4}, "slices must be 1, or odd"),
    ],
)
def test_what_a_contest_cannot_do_is_refused(given: dict[str, object], sentence: str) -> None:
    with pytest.raises(TrainingError, match=sentence):
        TrainConfig(method=BEST_OF, **given)
