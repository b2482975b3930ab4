"""kill -9 at random moments of saving, training and promoting: what was acknowledged is there, and it goes on."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from sam_infer.adapter_store import AdapterStore
from sam_trainer.ledger import Ledger
from tests.sam_trainer.conftest import flat_case

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3000)]

# One reader's day: a label, a training on all labels so far (the interrupted one first), a promotion by hand.
DAY = """
import sys
from pathlib import Path
import torch
from sam_infer.adapter_store import AdapterStore
from sam_trainer.intake import recorded
from sam_trainer.label_round import AcceptedLabel
from sam_trainer.learning import Learning
from sam_trainer.ledger import Ledger
from sam_trainer.pretrain_config import TrainingError
from sam_trainer.studies import read_sources
from tests.sam_trainer.test_learning import POLICY, SHORT

torch.set_num_threads(1)
studies, home = sys.argv[1], Path(sys.argv[2])
ledger, store = Ledger.of(studies, home), AdapterStore("tiny", home)
cases = list(read_sources(Path(studies))[0].cases)
for n, case in enumerate(cases):
    record = ledger.accept(case.name, case.label, {"reader": f"reader {n}"})
    print("label", case.name, record.label_sha256, flush=True)
accepted = recorded(ledger, [AcceptedLabel(case) for case in cases], [case.name for case in cases])
while True:
    learning = Learning(SHORT, POLICY, home)
    try:
        learned = learning.run([], resume=True)
    except TrainingError as error:
        assert "no interrupted training" in str(error), error
        print("new", flush=True)
        learned = learning.run(accepted)
    print("adapter", learned.adapter, flush=True)
    print("serves", store.promote(learned.adapter, "by hand"), flush=True)
    if "once" in sys.argv:
        break
"""


@pytest.mark.parametrize("kills", [5, pytest.param(50, marks=pytest.mark.accept)])
def test_what_was_acknowledged_survives_and_the_training_goes_on(kills: int, tmp_path: Path) -> None:
    studies, home = tmp_path / "studies", tmp_path / "home"
    for n, name in enumerate(("a", "e", "case1", "h")):
        flat_case(studies, name, n)
    command = [sys.executable, "-c", DAY, str(studies), str(home)]
    root, rng = Path(__file__).parents[2], np.random.default_rng(kills)
    told: list[tuple[str, ...]] = []
    for _ in range(kills):
        day = subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE, text=True)
        assert day.stdout is not None
        told.append(tuple(day.stdout.readline().split()))
        time.sleep(float(rng.uniform(0, 6)))
        assert day.poll() is None, "it must be killed, not end by itself"
        day.kill()
        told += [tuple(line.split()) for line in day.stdout.read().splitlines()]
        day.wait()
        day.stdout.close()
        check(told, studies, home)
    before = len(told)
    done = subprocess.run([*command, "once"], cwd=root, capture_output=True, text=True, check=True)
    told += [tuple(line.split()) for line in done.stdout.splitlines()]
    check(told, studies, home)
    assert {entry[0] for entry in told[before:]} >= {"label", "adapter", "serves"}
    # the same labels and seed: whatever was killed, one adapter came of it all
    assert len({entry[1] for entry in told if entry[0] == "adapter"}) == 1


def check(told: list[tuple[str, ...]], studies: Path, home: Path) -> None:
    """Every acknowledged label and adapter is there, whole; what serves is whole and the last that was announced."""
    ledger, store = Ledger.of(str(studies), home), AdapterStore("tiny", home)
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
    announced = [entry[1] for entry in told if entry[0] == "serves"]
    assert not announced or serving is not None
