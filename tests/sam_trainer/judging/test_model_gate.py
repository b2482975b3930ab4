"""Models compared on accepted cases: one that sees bright things only beside one that sees the others."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from sam_infer.imaging.geometry import Geometry
from sam_infer.imaging.image_file import write_image, write_mask
from sam_infer.imaging.itk_image import LPS_TO_RAS
from sam_infer.imaging.volume import Mask, Volume
from sam_infer.models.model_table import ModelTable
from sam_infer.slices.embedding_cache import EmbeddingCache
from sam_infer.slices.predictor import Predictor
from sam_trainer.judging.gate import Score
from sam_trainer.judging.model_gate import Compared, Competition, Competitor, chosen, compared, readable
from sam_trainer.judging.policy import GatePolicy
from sam_trainer.labels.cases import Case
from sam_trainer.labels.round import HELD_OUT, AcceptedLabel, part_of
from sam_trainer.measures.paired import difference
from tests.samlabel.models import Seeing

POLICY = GatePolicy(objects_per_case=4, clicks=5)
NAMES = {1: "bright", 2: "grey"}


def case(folder: Path, number: int) -> AcceptedLabel:
    """A PNG with a bright disk and a grey one."""
    rows, cols = np.mgrid[:96, :128]
    labels = np.zeros((96, 128), np.uint8)
    labels[np.hypot(rows - 30, cols - 30 - number) < 14] = 1
    labels[np.hypot(rows - 60, cols - 90 + number) < 16] = 2
    grey = np.choose(labels, (30, 230, 120)).astype(np.uint8)
    geometry, name = Geometry((128, 96, 1), LPS_TO_RAS), f"case{number}"
    image, label = folder / f"{name}.png", folder / "labels" / "final" / f"{name}.png"
    write_image(Volume(np.asfortranarray(grey.T[..., None]), geometry), image)
    write_mask(Mask(np.asfortranarray(labels.T[..., None]), geometry), label)
    return AcceptedLabel(Case("studies", name, image, label, "unknown", NAMES, {}))


@pytest.fixture(scope="module")
def accepted(tmp_path_factory: pytest.TempPathFactory) -> list[AcceptedLabel]:
    folder = tmp_path_factory.mktemp("models")
    return [case(folder, number) for number in range(4)]


def competition(**adapters: str) -> Competition:
    """`tiny` sees what is bright, `vit_b` what is not."""
    sees = {"tiny": Seeing("tiny", darkest=180), "vit_b": Seeing("vit_b", brightest=160)}
    predictors = {name: Predictor(net, EmbeddingCache()) for name, net in sees.items()}
    return Competition(predictors.__getitem__, [Competitor(name, adapters.get(name, "none")) for name in sees])


def judged(
    accepted: list[AcceptedLabel], table: ModelTable, policy: GatePolicy = POLICY
) -> tuple[ModelTable, list[Compared]]:
    """The whole comparison."""
    models = competition()
    cases = models.fair(accepted)
    modalities = readable(cases)
    return chosen(compared(models.scores(cases, policy, lambda: None), modalities, table, "tiny"), table, policy)


def test_each_label_gets_the_model_that_sees_it(accepted: list[AcceptedLabel]) -> None:
    table, rows = judged(accepted, ModelTable())
    assert [(row.label, row.model, row.chosen) for row in rows] == [
        ("bright", "vit_b", False),
        ("grey", "vit_b", True),
    ]
    (choice,) = table.choices
    assert (choice.label, choice.modality, choice.model) == ("grey", "OTHER", "vit_b")
    assert "+4.0 clicks per object" in choice.why and "4 accepted cases against tiny" in choice.why
    again, rows = judged(accepted, table)
    assert again == table and not any(row.chosen for row in rows)
    assert [(row.label, row.serves) for row in rows] == [("bright", "tiny"), ("grey", "vit_b")]


def test_a_choice_that_was_wrong_is_taken_back(accepted: list[AcceptedLabel]) -> None:
    table, _ = judged(accepted, ModelTable())
    wrong = table.with_choice(replace(table.choices[0], label="bright", why="chosen by hand"))
    renewed, _ = judged(accepted, wrong)
    found = {choice.label: choice.model for choice in renewed.choices}
    assert found == {"bright": "tiny", "grey": "vit_b"}


def test_few_cases_and_a_persons_wish_change_nothing(accepted: list[AcceptedLabel]) -> None:
    table, rows = judged(accepted[:2], ModelTable())
    assert not table.choices and not any(row.chosen for row in rows)
    table, rows = judged(accepted, ModelTable(), replace(POLICY, promote=False))
    assert not table.choices and any(row.chosen for row in rows)  # said, and left to a person


def test_a_gain_that_may_be_chance_changes_nothing() -> None:
    def row(*saved: float) -> Compared:
        return Compared("liver", "CT", "tiny", "vit_b", difference(saved))

    for saved in ([3.0, 0.0, 0.0], [0.2, 0.2, 0.2], [-1.0, -1.0, -1.0]):
        assert not chosen([row(*saved)], ModelTable(), POLICY)[0].choices
    assert chosen([row(1.0, 1.5, 1.2)], ModelTable(), POLICY)[0].choices


def test_the_best_of_several_takes_over() -> None:
    rows = [Compared("liver", "CT", "tiny", model, difference([gain] * 3)) for model, gain in (("a", 1.0), ("b", 2.0))]
    table, told = chosen(rows, ModelTable(), POLICY)
    assert table.choices[0].model == "b" and [row.chosen for row in told] == [False, True]


def test_cases_that_taught_an_adapter_judge_nobody(accepted: list[AcceptedLabel]) -> None:
    many = [replace(accepted[0], patient=str(number)) for number in range(30)]
    assert len(competition().fair(many)) == 30
    fair = [one for one in many if part_of(one.patient) == HELD_OUT]
    assert 0 < len(competition(vit_b="0123").fair(many)) == len(fair) < 30


def test_a_comparison_is_known_by_its_networks_and_labels(accepted: list[AcceptedLabel]) -> None:
    models = competition()
    cases = [one.case for one in accepted]
    assert models.judged(cases) == competition().judged(cases) != models.judged(cases[:2])
    assert models.judged(cases) != competition(vit_b="0123").judged(cases)


def test_a_case_that_cannot_be_read_is_left_out(accepted: list[AcceptedLabel], tmp_path: Path) -> None:
    lost = replace(accepted[0].case, image=tmp_path / "lost.png", name="lost")
    assert list(readable([lost, accepted[1].case])) == ["case1"]


def test_a_model_that_serves_no_more_is_not_asked_for(accepted: list[AcceptedLabel]) -> None:
    scores = {name: [Score("a", "liver", "o", (0.9,) * 3, clicks)] for name, clicks in (("tiny", 4), ("vit_b", 1))}
    table, _ = judged(accepted, ModelTable())
    gone = ModelTable().with_choice(replace(table.choices[0], label="liver", modality="CT", model="vit_h"))
    (row,) = compared(scores, {"a": "CT"}, gone, "tiny")
    assert (row.serves, row.model, row.saved.mean) == ("tiny", "vit_b", 3.0)
