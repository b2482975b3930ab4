"""One reader's day, for the tests that kill it: labels, a training (an interrupted one first), a promotion by hand."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch

from sam_infer.adapters.store import AdapterStore
from sam_trainer.config import TrainConfig
from sam_trainer.errors import TrainingError
from sam_trainer.judging.policy import GatePolicy
from sam_trainer.labels.cases import read_sources
from sam_trainer.labels.intake import recorded
from sam_trainer.labels.ledger import Ledger
from sam_trainer.labels.round import AcceptedLabel
from sam_trainer.studies import Studies
from sam_trainer.training.run_round import TrainingRound
from tests.brief_training import ask_few

# float32: a processor that does not know bfloat16 takes ten times as long with it.
SHORT = TrainConfig(
    method="decoder", epochs=2, steps=1, images=1, objects=2, decodes=2, semantic_images=0, precision="float32"
)
POLICY = GatePolicy(held_out_cases=2, objects_per_case=1, clicks=5)


def day(studies: Path, home: Path, told: Path, days: int) -> None:
    """So many days; every acknowledgement is a line in the file `told`."""
    torch.set_num_threads(1)
    with told.open("ab", buffering=0) as file, pytest.MonkeyPatch.context() as patch:
        ask_few(patch)

        def tell(*words: object) -> None:
            file.write((" ".join(map(str, words)) + "\n").encode())

        ledger, store = Ledger.of(Studies.of(studies), home), AdapterStore("tiny", home)
        cases = list(read_sources(studies)[0].cases)
        for _ in range(days):
            tell("saving")
            for n, case in enumerate(10 * cases):  # a label is saved in an instant: many, so that some kills meet one
                record = ledger.accept(case.name, case.label, {"reader": f"reader {n}"})
                tell("label", case.name, record.label_sha256)
            accepted = recorded(ledger, [AcceptedLabel(case) for case in cases], [case.name for case in cases])
            tell("training")
            try:
                learned = TrainingRound(SHORT, POLICY, home).run([], resume=True)
                tell("resumed", os.getpid())
            except TrainingError as error:
                assert "no interrupted training" in str(error), error
                learned = TrainingRound(SHORT, POLICY, home).run(accepted)
            tell("adapter", learned.adapter)
            tell("promoting")
            for _ in range(20):  # a move of the pointer is quick: many, so that some are met
                tell("serves", store.promote(str(learned.adapter), "by hand"))
                store.rollback("by hand")
            tell("serves", store.promote(str(learned.adapter), "by hand"))


def one_round(config: TrainConfig, policy: GatePolicy, studies: Path, home: Path) -> None:
    """A training on every label of a folder."""
    torch.set_num_threads(1)
    cases = read_sources(studies)[0].cases
    with pytest.MonkeyPatch.context() as patch:
        ask_few(patch)
        TrainingRound(config, policy, home).run([AcceptedLabel(case) for case in cases])
