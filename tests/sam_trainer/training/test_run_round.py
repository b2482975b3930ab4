"""Whole rounds of the embedded model on small pictures: learned, judged, resumed, stopped."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from sam_infer.adapters.adapter import Adapter
from sam_infer.adapters.store import AdapterStore
from sam_infer.errors import SamError
from sam_infer.imaging.image_file import read_mask, write_mask
from sam_infer.imaging.volume import Mask
from sam_infer.models.load import BaseNetwork, load_network
from sam_infer.networks.naming.label_namer import namer_of
from sam_infer.networks.naming.semantic_head import SEMANTIC, SemanticHead, taps_of
from sam_infer.networks.naming.unet import UNET, UNet
from sam_trainer.config import TrainConfig
from sam_trainer.errors import TrainingError
from sam_trainer.judging.policy import GatePolicy
from sam_trainer.judging.semantic_score import mean_dice
from sam_trainer.labels.cases import Case, read_sources
from sam_trainer.labels.round import AcceptedLabel, open_round
from sam_trainer.methods.trainable import trainable
from sam_trainer.training import run_round
from sam_trainer.training import state as fit_state
from sam_trainer.training.fit import Fitted
from sam_trainer.training.progress import read_progress
from sam_trainer.training.round_setup import RoundSetup
from sam_trainer.training.run_round import PROGRESS_FILE, RoundOutcome, TrainingRound, training_folder
from tests.brief_training import ask_few
from tests.processes import apart, wait_until
from tests.sam_infer.adapters.test_adapter import provenance, tensors
from tests.sam_trainer.training.day import one_round
from tests.small_studies import flat_case

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("one_thread")]

# What the split makes of these names: `a`, `b` and `c` teach, `e` validates, `case1` and `h` judge.
NAMES = ("a", "b", "e", "case1", "h")

# float32: a processor that does not know bfloat16 takes ten times as long with it.
SHORT = TrainConfig(
    method="decoder",
    epochs=2,
    steps=2,
    images=1,
    objects=2,
    decodes=2,
    semantic_images=1,
    semantic_steps=1,
    unet_steps=0,
    precision="float32",
)
RIVALS = replace(SHORT, steps=1, unet_steps=1)
POLICY = GatePolicy(held_out_cases=2, objects_per_case=1, clicks=5)


@pytest.fixture(scope="module", autouse=True)
def few_objects() -> Iterator[None]:
    """And no picture of the curves, which takes a tenth of such a round."""
    with pytest.MonkeyPatch.context() as patch:
        ask_few(patch)
        patch.setattr(run_round, "draw_fit", lambda *_: None)
        yield


@pytest.fixture(scope="module")
def cases(tmp_path_factory: pytest.TempPathFactory) -> list[Case]:
    folder = tmp_path_factory.mktemp("learning")
    for n, name in enumerate(NAMES):
        flat_case(folder, name, n)
    return list(read_sources(folder)[0].cases)


def accepted(cases: list[Case]) -> list[AcceptedLabel]:
    return [AcceptedLabel(case) for case in cases]


def learned(cases: list[Case], home: Path, config: TrainConfig = SHORT, policy: GatePolicy = POLICY) -> RoundOutcome:
    return TrainingRound(config, policy, home).run(accepted(cases))


@pytest.fixture(scope="module")
def whole(cases: list[Case], tmp_path_factory: pytest.TempPathFactory) -> tuple[RoundOutcome, Path]:
    """One round without interruption."""
    home = tmp_path_factory.mktemp("whole")
    return learned(cases, home, RIVALS), home


def test_a_round_ends_in_a_judged_adapter_that_says_where_it_comes_from(
    whole: tuple[RoundOutcome, Path], cases: list[Case]
) -> None:
    result, home = whole
    store = AdapterStore("tiny", home)
    assert result.adapter is not None and result.verdict is not None
    assert [stored.id for stored in store.adapters()] == [result.adapter]
    provenance = store.get(result.adapter).provenance
    assert provenance.method == "decoder" and provenance.settings["steps"] == 1
    assert {case.case: case.part for case in provenance.cases} == {
        "a": "train",
        "b": "train",
        "e": "validation",
        "case1": "held_out",
        "h": "held_out",
    }
    assert provenance.metrics["validated_on"] == "validation" and provenance.metrics["skipped_steps"] == 0
    namer = namer_of(store.get(result.adapter).tensors)
    assert namer is not None and namer.labels == ("label 1", "label 2", "label 3")
    verdict = store.verdict(result.adapter)
    assert verdict is not None and 0 <= verdict["candidate"]["dice_semantic"] <= 1
    # the better one of the two networks that were trained is in the file, and everybody says which and why
    kept = {kind for kind in store.get(result.adapter).kinds if kind in ("semantic", "unet")}
    assert kept == {provenance.metrics["named_by"]} and "on 2 held-out cases" in provenance.named_why
    better = max(provenance.metrics["head_dice"], provenance.metrics["unet_dice"] - POLICY.least_gain)
    assert verdict["candidate"]["dice_semantic"] >= round(better, 5) and verdict["named_by"] == provenance.named_why
    assert result.named_by == provenance.named_why
    assert "dice_semantic" not in verdict["incumbent"]  # the network without an adapter names nothing
    assert verdict["cases"] == 2 and verdict["reason"] in result.message
    assert {row["case"] for row in verdict["rows"]} == {"case1", "h"}
    assert (store.pointer().adapter == result.adapter) == result.promoted == verdict["promote"]
    facts = read_progress(training_folder("tiny", home) / PROGRESS_FILE)
    assert facts["state"] == "done" and facts["percent"] == 100.0 and "total_time" in facts and "eta_s" not in facts
    assert facts["epoch"] == facts["total_epochs"] == 2 and 0 < facts["best_metric"] <= 1
    assert facts["adapter"] == result.adapter and facts["named_by"] == result.named_by


def drawing(base: BaseNetwork, which: str) -> dict[str, torch.Tensor]:
    """Tensors of a head and of a U-Net, of which one finds nothing and the other draws one label everywhere."""
    features = base.backbone().encode(np.zeros((1, 256, 256, 3), np.uint8))
    head, unet = SemanticHead(("label 1",), taps_of(features)), UNet(("label 1",))
    for weight in (head.weigh.weight, head.weigh.bias, unet.reading):
        nn.init.zeros_(weight)
    head.weigh.bias.data[-1] = 9.0 if which == SEMANTIC else -9.0
    unet.reading.data[:, -1] = 9.0 if which == UNET else -9.0
    name = next(name for name in base.weights if name.startswith("mask_decoder."))
    return {f"value/{name}": base.weights[name], **head.tensors(), **unet.tensors()}


@pytest.mark.parametrize("which", [SEMANTIC, UNET])
def test_the_gate_keeps_the_one_that_is_clearly_better(cases: list[Case], tmp_path: Path, which: str) -> None:
    base = load_network("tiny")
    tensors = drawing(base, which)
    found = open_round(accepted(cases), tmp_path)
    setup = RoundSetup(base, RIVALS, tmp_path, lambda: False)
    chosen = setup.chosen(Fitted(tensors, fit_state.Standing(), False), found, POLICY)
    kept = {name.split("/")[0] for name in chosen.tensors}
    assert kept == {"value", which} and chosen.naming is not None and chosen.naming.by == which
    assert {score.case for score in chosen.scores} == {"case1", "h"} and mean_dice(chosen.scores) > 0.02
    stopped = setup.chosen(Fitted(tensors, fit_state.Standing(), True), found, POLICY)
    assert stopped.naming is not None and stopped.naming.by == SEMANTIC and "ended before" in stopped.naming.why


def test_the_same_labels_and_seed_give_the_same_adapter_and_another_seed_another(
    whole: tuple[RoundOutcome, Path], cases: list[Case], tmp_path: Path
) -> None:
    assert learned(cases, tmp_path / "again", RIVALS).adapter == whole[0].adapter
    other = replace(SHORT, seed=1, epochs=1, steps=1)
    assert learned(cases, tmp_path / "other", other).adapter != whole[0].adapter


def test_more_steps_of_the_semantic_head_move_nothing_else(cases: list[Case], tmp_path: Path) -> None:
    one = replace(SHORT, method="lora", epochs=1, steps=1)
    once, often = (
        AdapterStore("tiny", home).get(learned(cases, home, config).adapter).tensors
        for home, config in ((tmp_path / "once", one), (tmp_path / "often", replace(one, semantic_steps=2)))
    )
    moved = {name for name, value in once.items() if not value.equal(often[name])}
    assert moved and all(name.startswith(f"{SEMANTIC}/") for name in moved)


def test_a_training_that_was_killed_becomes_the_adapter_it_would_have_been(
    whole: tuple[RoundOutcome, Path], cases: list[Case], tmp_path: Path
) -> None:
    progress = training_folder("tiny", tmp_path) / PROGRESS_FILE
    with apart(one_round, RIVALS, POLICY, cases[0].image.parent, tmp_path) as process:
        wait_until(
            lambda: process.exitcode is not None or read_progress(progress).get("epoch", 0) >= 1,
            "an epoch",
            every_s=0.005,
        )
        assert process.exitcode is None, "the round ended before it could be killed"
    facts = read_progress(progress)
    assert facts["state"] == "interrupted" and "resume" in facts["message"] and "total_time" in facts
    assert AdapterStore("tiny", tmp_path).adapters() == []
    TrainingRound(RIVALS, POLICY, tmp_path).run([], resume=True)
    assert [stored.id for stored in AdapterStore("tiny", tmp_path).adapters()] == [whole[0].adapter]


@pytest.mark.parametrize("questions", [1, 3], ids=["between two steps", "during a validation"])
def test_a_stop_keeps_the_best_version_unjudged(cases: list[Case], tmp_path: Path, questions: int) -> None:
    """Of the questions after the first epoch two come after steps, the others between the validation's objects."""
    asked = iter(range(1, 10**6))
    progress = training_folder("tiny", tmp_path) / PROGRESS_FILE

    def after_an_epoch() -> bool:
        return read_progress(progress).get("epoch", 0) >= 1 and next(asked) >= questions

    config = replace(SHORT, epochs=50)
    result = TrainingRound(config, POLICY, tmp_path).run(accepted(cases), after_an_epoch)
    store = AdapterStore("tiny", tmp_path)
    assert result.adapter is not None and result.verdict is None and "not judged" in result.message
    assert store.get(result.adapter).provenance.metrics["epochs"] == 1
    assert store.pointer().adapter is None and store.verdict(result.adapter) is None
    assert read_progress(progress)["state"] == "stopped"
    again = TrainingRound(config, POLICY, tmp_path).run([], lambda: True, resume=True)
    assert (
        "resume goes on" in again.message and len(list(progress.parent.glob(f"*/{fit_state.STATE_FILE}"))) == 1
    )  # it is kept


@pytest.mark.parametrize("after", [0, 3])
def test_a_stop_before_or_during_the_first_validation_learned_nothing(
    cases: list[Case], tmp_path: Path, after: int
) -> None:
    """Two steps come first: the fourth question is asked between two objects of the validation."""
    asked = iter(range(10**6))
    result = TrainingRound(SHORT, POLICY, tmp_path).run(accepted(cases), lambda: next(asked) >= after)
    assert result.adapter is None and "nothing was learned" in result.message
    assert AdapterStore("tiny", tmp_path).adapters() == []
    assert read_progress(training_folder("tiny", tmp_path) / PROGRESS_FILE)["state"] == "stopped"


def test_a_stop_while_labels_are_read_keeps_them_for_a_resume(
    whole: tuple[RoundOutcome, Path], cases: list[Case], tmp_path: Path
) -> None:
    """Ctrl-C was heard only after everything was read; nothing could be resumed."""
    stopped = TrainingRound(RIVALS, POLICY, tmp_path).run(accepted(cases), lambda: True)
    assert stopped.adapter is None and "--resume begins it again" in stopped.message
    assert TrainingRound(RIVALS, POLICY, tmp_path).run([], resume=True).adapter == whole[0].adapter


def test_a_second_training_names_the_process_of_the_first(cases: list[Case], tmp_path: Path) -> None:
    def asked_meanwhile() -> bool:
        with pytest.raises(TrainingError, match=rf"is running \(process {os.getpid()}, 0 %\).*kill {os.getpid()}"):
            TrainingRound(SHORT, POLICY, tmp_path).run([], resume=True)
        return True

    assert TrainingRound(SHORT, POLICY, tmp_path).run(accepted(cases), asked_meanwhile).adapter is None


def test_too_few_held_out_cases_leave_a_candidate(cases: list[Case], tmp_path: Path) -> None:
    config = replace(SHORT, epochs=1, steps=1)
    result = learned(cases, tmp_path, config, replace(POLICY, held_out_cases=3))
    assert result.adapter is not None and not result.promoted and "promote it by hand" in result.message
    assert AdapterStore("tiny", tmp_path).pointer().adapter is None


def test_an_incumbent_that_cannot_be_used_is_no_hindrance(cases: list[Case], tmp_path: Path) -> None:
    """It was trained on other weights: the server does without it, so the base network is what must be beaten."""
    store = AdapterStore("tiny", tmp_path)
    store.promote(store.put(Adapter(tensors(), provenance())), "before the weights changed")
    result = learned(cases, tmp_path, replace(SHORT, epochs=1, steps=1))
    assert result.adapter is not None and result.verdict is not None and result.verdict.cases == 2
    verdict = store.verdict(result.adapter)
    assert verdict is not None and verdict["against"] is None


def test_shuffled_labels_are_refused_by_the_gate(cases: list[Case], tmp_path: Path) -> None:
    """Every teaching label is stripes across the picture: what is learned from it must not serve."""
    folder = tmp_path / "studies"
    for n, name in enumerate(NAMES):
        flat_case(folder, name, n)
    wrong = list(read_sources(folder)[0].cases)
    for case in wrong:
        if case.name in ("a", "b", "e"):
            mask = read_mask(case.label)
            stripes = np.zeros_like(mask.array)
            stripes[np.arange(128) // 5 % 2 == 0] = 1
            write_mask(Mask(stripes, mask.geometry), case.label)
    config = replace(SHORT, epochs=1, steps=12, objects=4, semantic_images=0, lr=3e-3)
    result = learned(wrong, tmp_path / "home", config, replace(POLICY, objects_per_case=4))
    assert result.adapter is not None and not result.promoted
    assert result.verdict is not None and result.verdict.gain < 0
    assert AdapterStore("tiny", tmp_path / "home").pointer().adapter is None


def test_only_one_training_of_a_model_at_a_time(cases: list[Case], tmp_path: Path) -> None:
    refused: list[str] = []

    def meanwhile() -> bool:
        try:
            learned(cases, tmp_path)
        except TrainingError as error:
            refused.append(str(error))
        return True

    TrainingRound(SHORT, POLICY, tmp_path).run(accepted(cases), meanwhile)
    assert refused and "a training of tiny is running" in refused[0]


def test_a_full_disk_is_a_sentence_and_nothing_is_half_done(
    cases: list[Case], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(fit_state, "save_file", full)
    with pytest.raises(TrainingError, match=r"No space left.*free some space"):
        learned(cases, tmp_path)
    facts = read_progress(training_folder("tiny", tmp_path) / PROGRESS_FILE)
    assert facts["state"] == "failed" and "free some space" in facts["message"]
    assert AdapterStore("tiny", tmp_path).adapters() == []


def test_a_network_without_finite_gradients_ends_with_a_sentence(
    cases: list[Case], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(base: object) -> object:
        made = trainable(base)  # type: ignore[arg-type]
        nn.init.constant_(next(made.network.get_submodule("mask_decoder").parameters()), float("nan"))
        return made

    monkeypatch.setattr(run_round, "trainable", broken)
    with pytest.raises(TrainingError, match="no finite gradient: lower the learning rate"):
        learned(cases, tmp_path, replace(SHORT, steps=20, semantic_images=0))


def test_a_resume_with_other_settings_or_changed_labels_is_refused(cases: list[Case], tmp_path: Path) -> None:
    home = training_folder("tiny", tmp_path)
    with pytest.raises(SamError):
        TrainingRound(SHORT, POLICY, tmp_path).run(accepted(cases), lambda: (_ for _ in ()).throw(SamError("a fault")))
    (run,) = home.glob("2*")
    with pytest.raises(TrainingError, match="other settings"):
        TrainingRound(replace(SHORT, seed=5), POLICY, tmp_path).run([], resume=True)
    label = next((run / "labels").iterdir())
    label.write_bytes(label.read_bytes() + b" ")
    with pytest.raises(TrainingError, match="was changed: start a new training"):
        TrainingRound(SHORT, POLICY, tmp_path).run([], resume=True)
    assert json.loads((run / "round.json").read_text())["left_out"] == []
