"""Which cases are scored, by what, and until when; the place where they are kept is anything with eight members."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from sam_infer.automatic.example import AcceptedCase
from sam_infer.errors import PromptError
from sam_infer.imaging.image_file import write_image
from sam_infer.networks.tiny.backbone import TinyBackbone
from sam_infer.serving.server_state import Serving
from sam_infer.slices.embedding_cache import EmbeddingCache
from sam_infer.slices.predictor import Predictor
from sam_trainer.active.case_scoring import CaseScoring, standing_measure, usable_measure
from sam_trainer.active.cases import Cases
from sam_trainer.errors import TrainingError
from sam_trainer.labels.round import AcceptedLabel
from sam_trainer.studies import Studies
from sam_trainer.synthetic.lesion_patients import Patient, picture
from tests.hostile.corpus import few

pytestmark = pytest.mark.usefixtures("one_thread")


@dataclass
class Kept:
    """Cases in a dictionary."""

    studies: Studies
    images: dict[str, Path]
    done: list[str] = field(default_factory=list)
    labels: tuple[str, ...] = ("lesion",)
    fetched: list[str] = field(default_factory=list)

    def every(self) -> list[str]:
        return list(self.images)

    def labelled(self) -> list[str]:
        return self.done

    def unlabelled(self) -> list[str]:
        return [name for name in self.images if name not in self.done]

    def path(self, case: str) -> Path:
        self.fetched.append(case)
        return self.images[case]

    def accepted(self) -> list[AcceptedLabel]:
        raise TrainingError("every accepted label is in quarantine")

    def examples(self, serving: Serving) -> list[AcceptedCase]:
        return []


@pytest.fixture
def serving() -> Iterator[Serving]:
    serving = Serving(Predictor(TinyBackbone.embedded(), EmbeddingCache()))
    yield serving
    serving.close()


@pytest.fixture
def kept(tmp_path: Path) -> Kept:
    images = {
        name: write_image(picture(Patient("node", (8, number), 1.0))[0], tmp_path / "studies" / f"{name}.nii.gz")
        for number, name in enumerate("abc")
    }
    return Kept(Studies.of(tmp_path / "studies"), images, ["c"])


def never() -> bool:
    return False


def idle() -> None:
    """Nobody clicks."""


@pytest.mark.slow
def test_what_has_no_score_gets_one_and_then_nothing_is_read(serving: Serving, kept: Kept) -> None:
    cases: Cases = kept
    scoring, kept.done = CaseScoring(serving, cases, "tiny"), []
    kept.images.pop("c")
    first = scoring.run(idle, never, most=1)
    assert (first.done, first.skipped) == (["a"], 1)
    assert scoring.run(idle, never, without=["b"]).sentence == "0 cases scored, 1 were up to date, 0 failed"
    kept.images["c"], kept.done = kept.images["a"], ["c"]
    # with a first label a case that was only embedded is due again, after those that never had a score
    assert scoring.run(idle, never).done == ["b", "a"]
    assert set(scoring.table.all()) == {"a", "b"} and scoring.table.all()["a"].adapter == "none"


@pytest.mark.slow
def test_images_of_an_archive_are_fetched_when_it_is_their_turn(serving: Serving, kept: Kept) -> None:
    kept.studies, kept.done = Studies.of("http://pacs/dicom-web"), []
    scoring = CaseScoring(serving, kept, "tiny")
    assert scoring.images() == {"a": None, "b": None, "c": None} and kept.fetched == []
    assert scoring.run(idle, never, most=1).done == ["a"] and kept.fetched == ["a"]
    assert scoring.run(idle, lambda: True).done == [] and kept.fetched == ["a"]


def test_a_measure_that_cannot_be_taken_is_refused_or_stood_in_for() -> None:
    assert usable_measure("combined", "tiny") == "combined"
    with pytest.raises(PromptError, match="at least 2; of tiny there are 0"):
        usable_measure("adapters", "tiny")
    with pytest.raises(PromptError, match="method must be one of"):
        usable_measure("entropy", "tiny")
    assert standing_measure("adapters", "tiny") == "combined" and standing_measure("size", "tiny") == "size"
    assert standing_measure("multimask", "tiny") == "combined"  # it was found to have no worth


@pytest.mark.slow
def test_hostile_images_cost_one_case_each(serving: Serving, kept: Kept, tmp_path: Path) -> None:
    hostile = {file.file_name: file.written(tmp_path) for file in few()}
    good = kept.unlabelled()
    kept.images |= hostile
    found = CaseScoring(serving, kept, "tiny").run(idle, never)
    assert sorted(found.failed) == sorted(hostile) and sorted(found.done) == sorted(good)
    assert not any(str(tmp_path) in sentence for sentence in found.failed.values())
