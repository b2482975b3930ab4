"""Which case a reader is sent to: what may be offered, arms, and what is said about it; without a host."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sam_infer.imaging.geometry import Geometry
from sam_infer.imaging.image_file import write_mask
from sam_infer.imaging.volume import Mask
from sam_infer.uncertainty.case_score import CaseScore
from sam_trainer.active.benefit import Benefit
from sam_trainer.active.offer import Offer, Wish
from sam_trainer.active.policy import SelectionPolicy
from sam_trainer.active.score_table import Scored, ScoreTable
from sam_trainer.active.selection import Selection
from sam_trainer.active.served import ServedCases
from sam_trainer.errors import TrainingError
from sam_trainer.labels.ledger import Ledger
from sam_trainer.labels.quarantine import Doubt
from sam_trainer.studies import Studies

CASES = ("a", "b", "c", "d")
READERS = [f"reader{n}" for n in range(12)]


@pytest.fixture
def studies(tmp_path: Path) -> Studies:
    return Studies.of(tmp_path / "studies")


def selection(studies: Studies, home: Path, adapter: str = "none", **policy: Any) -> Selection:
    return Selection(studies, SelectionPolicy(**policy), lambda: adapter, home)


@pytest.fixture
def scores(studies: Studies, tmp_path: Path) -> None:
    """Doubt rises from a to d; what they look like points in different directions."""
    table = ScoreTable.of(studies, tmp_path)
    for number, case in enumerate(CASES):
        looks = tuple(float(n == number) for n in range(4))
        score = CaseScore(0.2 * number + 0.1, {"lesion": 0.1}, {}, (number, 9), 50.0, looks, looks)
        table.put(Scored.of(case, score, adapter="none", method="combined", seed=0, when="2026-01-01", image="x"))


def test_an_offer_says_what_and_why(studies: Studies, scores: None, tmp_path: Path) -> None:
    chosen = selection(studies, tmp_path, control_share=0.0)
    offer = chosen.next(Wish("sam_uncertain", "anna", 0), CASES)
    assert offer is not None and offer.case in CASES and offer.arm == "active" and offer.strategy == "sam_uncertain"
    assert offer.scored and offer.score == pytest.approx(0.2 * CASES.index(offer.case) + 0.1)
    assert list(offer.facts()) == ["id", "score", "why", "asked", "chosen_by", "arm", "adapter", "slices", "scored"]
    assert offer.facts()["slices"] == [CASES.index(offer.case), 9]
    assert chosen.next(Wish("sam_uncertain", "anna", 0), CASES) == offer  # asked again: the same case
    chosen.note(offer, "anna")
    (served,) = ServedCases.of(studies, tmp_path).all()
    assert (served.case, served.reader, served.asked, served.arm) == (offer.case, "anna", "sam_uncertain", "active")


def test_a_score_of_an_earlier_network_is_said(studies: Studies, scores: None, tmp_path: Path) -> None:
    chosen = selection(studies, tmp_path, adapter="newer", control_share=0.0)
    offer = chosen.next(Wish("sam_uncertain", "anna", 0), CASES)
    assert offer is not None and offer.adapter == "none" and "of an earlier network" in offer.reason
    chosen.note(offer, "anna")
    assert ServedCases.of(studies, tmp_path).all()[0].adapter == "newer"


def test_without_scores_it_is_said_and_without_cases_there_is_none(studies: Studies, tmp_path: Path) -> None:
    offer = selection(studies, tmp_path).next(Wish("sam_hybrid", "anna"), CASES)
    assert offer is not None and "no case is scored yet" in offer.reason and not offer.scored and offer.score is None
    assert selection(studies, tmp_path).next(Wish("sam_hybrid", "anna"), []) is None
    with pytest.raises(TrainingError, match="strategy must be one of"):
        selection(studies, tmp_path).next(Wish("sam_best", "anna"), CASES)


def test_what_the_ledger_knows_as_labelled_is_not_offered(studies: Studies, tmp_path: Path) -> None:
    ledger = Ledger.of(studies, tmp_path)
    label = write_mask(Mask(np.ones((2, 2, 2), np.uint8), Geometry((2, 2, 2), np.eye(4))), tmp_path / "label.nii.gz")
    ledger.accept("a", label, {})
    ledger.accept("b", label, {}, [Doubt("empty", "the label is empty")])
    ledger.accept("c", label, {})
    ledger.withdraw("c", {})
    chosen = selection(studies, tmp_path)
    offered = {chosen.next(Wish("random", "anna", n), CASES) for n in range(20)}
    assert {offer.case for offer in offered if offer} == {"c", "d"}


def test_random_gets_what_the_policy_says(studies: Studies, scores: None, tmp_path: Path) -> None:
    offer = selection(studies, tmp_path, random_is="sam_diverse", control_share=0.0).next(Wish("random", "anna"), CASES)
    assert offer is not None and (offer.asked, offer.strategy) == ("random", "sam_diverse")
    assert "'random' gets sam_diverse" in offer.reason
    plain = selection(studies, tmp_path, random_is="random").next(Wish("random", "anna"), CASES)
    assert plain is not None and plain.arm == "plain" and "gets" not in plain.reason


def asked_by_all(chosen: Selection) -> list[Offer]:
    return [offer for who in READERS if (offer := chosen.next(Wish("sam_hybrid", who), CASES)) is not None]


def test_a_share_is_drawn_to_compare_with(studies: Studies, scores: None, tmp_path: Path) -> None:
    offers = asked_by_all(selection(studies, tmp_path, control_share=0.5))
    control = [offer for offer in offers if offer.arm == "control"]
    assert 2 <= len(control) <= 10 and all(offer.strategy == "sam_random_fg" for offer in control)
    assert all("one of the 50% drawn to compare with sam_hybrid" in offer.reason for offer in control)
    assert offers == asked_by_all(selection(studies, tmp_path, control_share=0.5))


def test_where_choosing_does_not_help_most_are_drawn(studies: Studies, scores: None, tmp_path: Path) -> None:
    chosen = selection(studies, tmp_path)
    Benefit("no gain", "no gain: +0.010", 0.01, -0.2, 0.22, 4, 6).write(chosen.folder)
    offers = asked_by_all(chosen)
    assert all("has not helped here so far (no gain: +0.010)" in offer.reason for offer in offers)
    assert sum(offer.arm == "control" for offer in offers) >= 7
    firm = asked_by_all(selection(studies, tmp_path, fallback=False, control_share=0.0))
    assert {offer.arm for offer in firm} == {"active"}


@pytest.mark.parametrize(
    ("policy", "sentence"),
    [({"random_is": "best"}, "random_is must be one of sam_hybrid"), ({"control_share": 2.0}, "control_share must be")],
)
def test_policies_that_make_no_sense(policy: dict[str, Any], sentence: str) -> None:
    with pytest.raises(TrainingError, match=sentence):
        SelectionPolicy(**policy)


def test_choosing_and_scoring_know_no_host_and_training_no_compiler() -> None:
    """Asked of one process: it takes longer to start than to answer."""
    script = (
        "import sys, torch; import sam_trainer.active.selection, sam_trainer.active.case_scoring; "
        "import sam_infer.networks.optimizer; "
        "weight = torch.nn.Parameter(torch.ones(2)); weight.sum().backward(); "
        "sam_infer.networks.optimizer.PlainAdamW([weight]).step(); "
        "strange = {'monailabel', 'fastapi', 'samlabel', 'torchvision', 'torch._dynamo'}; "
        "sys.exit(', '.join(strange & set(sys.modules)) or 0)"
    )
    found = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stderr
