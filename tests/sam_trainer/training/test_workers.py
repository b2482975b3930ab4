"""Two processes train one adapter over gloo, and what happens when one of them is gone."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from sam_infer.adapters.store import AdapterStore
from sam_trainer.errors import TrainingError
from sam_trainer.labels.cases import read_sources
from sam_trainer.labels.round import AcceptedLabel
from sam_trainer.training.progress import read_progress
from sam_trainer.training.record import CURVES, EVENTS
from sam_trainer.training.run_round import PROGRESS_FILE, RoundOutcome, TrainingRound, training_folder
from tests.brief_training import ask_few
from tests.processes import CONTEXT
from tests.sam_trainer.training.day import POLICY, SHORT
from tests.small_studies import flat_case

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("one_thread")]

PAIR = replace(SHORT, processes=2)


@pytest.fixture(scope="module", autouse=True)
def few_objects() -> Iterator[None]:
    """And the other process begins as a copy of one that has loaded what it uses."""
    with pytest.MonkeyPatch.context() as patch:
        ask_few(patch)
        patch.setattr("sam_trainer.training.workers.get_context", lambda _: CONTEXT)
        yield


@pytest.fixture(scope="module")
def accepted(tmp_path_factory: pytest.TempPathFactory) -> list[AcceptedLabel]:
    folder = tmp_path_factory.mktemp("ranks")
    for n, name in enumerate(("a", "b", "e", "case1", "h")):
        flat_case(folder, name, n)
    return [AcceptedLabel(case) for case in read_sources(folder)[0].cases]


@pytest.fixture(scope="module")
def pair(accepted: list[AcceptedLabel], tmp_path_factory: pytest.TempPathFactory) -> tuple[RoundOutcome, Path]:
    home = tmp_path_factory.mktemp("pair")
    return TrainingRound(PAIR, POLICY, home).run(accepted), home


def test_two_learn_together(pair: tuple[RoundOutcome, Path]) -> None:
    learned, home = pair
    assert learned.adapter is not None and learned.verdict is not None
    provenance = AdapterStore("tiny", home).get(learned.adapter).provenance
    assert provenance.settings["processes"] == 2 and provenance.metrics["skipped_steps"] == 0
    facts = read_progress(training_folder("tiny", home) / PROGRESS_FILE)
    assert facts["state"] == "done" and facts["epoch"] == 2
    assert multiprocessing.active_children() == []
    run = training_folder("tiny", home) / facts["run"]
    assert not list(run.glob(".meeting*")) and (run / CURVES).read_bytes().startswith(b"\x89PNG")
    events = EventAccumulator(str(run / EVENTS)).Reload()
    assert [event.step for event in events.Scalars("dice")] == [1, 2]
    assert events.Scalars("best")[-1].value == pytest.approx(facts["best_metric"], abs=1e-4)


@pytest.mark.accept
def test_a_lost_one_is_a_sentence_and_the_training_goes_on_to_the_same_adapter(
    pair: tuple[RoundOutcome, Path], accepted: list[AcceptedLabel], tmp_path: Path
) -> None:
    progress = training_folder("tiny", tmp_path) / PROGRESS_FILE

    def kill_the_other() -> bool:
        if read_progress(progress).get("epoch", 0) >= 1:
            for helper in multiprocessing.active_children():
                helper.kill()
                helper.join()
        return False

    with pytest.raises(TrainingError, match=r"ended by itself.*go on with resume"):
        TrainingRound(PAIR, POLICY, tmp_path).run(accepted, kill_the_other)
    assert read_progress(progress)["state"] == "failed" and AdapterStore("tiny", tmp_path).adapters() == []
    assert TrainingRound(PAIR, POLICY, tmp_path).run([], resume=True).adapter == pair[0].adapter
    # alone it would have become another one: the second process had a say
    assert TrainingRound(SHORT, POLICY, tmp_path / "alone").run(accepted).adapter != pair[0].adapter
