"""Batches of one tag each, every case equally often; where nothing is taught by tag, batches are what they were."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from sam_infer.adapters.kinds.kind import Told
from sam_infer.adapters.kinds.registry import FACETS
from sam_infer.errors import VolumeError
from sam_infer.imaging.volume import Tags
from sam_infer.networks.tiny.model import pad_to_square
from sam_trainer.config import TAGGED
from sam_trainer.labels.cases import read_sources
from sam_trainer.lessons.batches import LessonBatches
from sam_trainer.lessons.lesson import Lesson, lessons_of
from sam_trainer.lessons.semantic_batches import SemanticBatches
from sam_trainer.lessons.semantic_lesson import SemanticLesson, semantic_lessons
from sam_trainer.lessons.taught_tags import MOST_TAGS, CasesByTag, TaughtTags
from tests.conftest import BrightNetwork
from tests.small_studies import flat_case

WHERE = {"a": "north", "b": "north", "c": "south", "d": ""}


def tagged(where: dict[str, str]) -> list[Any]:
    return [SimpleNamespace(case=case, tags=Tags(domain)) for case, domain in where.items()]


@pytest.fixture(scope="module")
def lessons(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[Lesson], list[SemanticLesson]]:
    folder = tmp_path_factory.mktemp("studies")
    for number, name in enumerate(WHERE):
        flat_case(folder, name, number)
    cases = [replace(case, tags=Tags(WHERE[case.name])) for case in read_sources(folder)[0].cases]
    clicked = [lesson for case in cases for lesson in lessons_of(case)]
    return clicked, [lesson for case in cases for lesson in semantic_lessons(case, ["label 1", "label 2"])]


class Shown:
    """A network that remembers what it was shown, and was told then."""

    def __init__(self) -> None:
        self.told = Told("of the step before")
        self.tags: list[str] = []

    def image(self, stack: np.ndarray) -> torch.Tensor:
        return pad_to_square(torch.from_numpy(stack[0]).permute(2, 0, 1).float()[None])[0]

    def encode(self, images: torch.Tensor) -> dict[str, torch.Tensor]:
        self.tags.append(self.told.tag)
        return {"grey": images.mean(1, keepdim=True)}


def test_the_commonest_tags_are_taught_or_those_that_are_wanted() -> None:
    assert TaughtTags.of("domain", tagged(WHERE)) == TaughtTags("domain", ("north", "south"))
    assert TaughtTags.of("domain", tagged(WHERE), ["South"]).tag(Tags("south")) == "South"
    assert TaughtTags.of("view", tagged(WHERE)).names == ()
    many = {f"case{n}": f"site{n:02d}" for n in range(MOST_TAGS + 3)} | {"more": "site18"}
    taught = TaughtTags.of("domain", tagged(many))
    assert len(taught.names) == MOST_TAGS and "site18" in taught.names and taught.tag(Tags("site17")) == ""
    with pytest.raises(VolumeError, match="no case that teaches has the domain 'west'; they have north, south"):
        TaughtTags.of("domain", tagged(WHERE), ["west"])


def test_trainer_and_server_go_by_the_same_tag_of_an_image() -> None:
    assert dict(TAGGED) == dict(FACETS)


def test_every_case_is_drawn_equally_often_with_others_of_its_tag() -> None:
    cases, rng = CasesByTag(TaughtTags.of("domain", tagged(WHERE)), tagged(WHERE)), np.random.default_rng(0)
    seen: Counter[str] = Counter()
    for _ in range(2000):
        first = cases.any(rng)
        second = cases.any(rng, like=first)
        assert WHERE[first] == WHERE[second]
        seen.update((first, second))
    assert all(abs(count / 4000 - 1 / len(WHERE)) < 0.03 for count in seen.values())


def test_images_of_a_step_are_of_one_tag_and_the_network_is_told(
    lessons: tuple[list[Lesson], list[SemanticLesson]],
) -> None:
    clicked, named = lessons
    taught = TaughtTags.of("domain", clicked)
    batches, heads = (
        LessonBatches(clicked, BrightNetwork(), taught=taught),
        SemanticBatches(named, BrightNetwork(), taught=taught),
    )
    network: Any = Shown()
    for seed in range(12):
        batches.draw(network, 2, 1, np.random.default_rng(seed))
        dialogues = network.told.tag
        heads.draw(network, 2, np.random.default_rng(seed))
        assert {dialogues, network.tags[-1]} <= {"north", "south", ""}
    assert set(network.tags) == {"north", "south", ""}


def test_without_tags_batches_are_what_they_were(lessons: tuple[list[Lesson], list[SemanticLesson]]) -> None:
    clicked = lessons[0]
    network: Any = Shown()
    same = [replace(lesson, tags=Tags("one")) for lesson in clicked]
    plain, one = (
        LessonBatches(clicked, BrightNetwork()),
        LessonBatches(same, BrightNetwork(), taught=TaughtTags("domain", ("one",))),
    )
    for seed in range(3):
        first, _ = plain.draw(network, 2, 2, np.random.default_rng(seed))
        assert network.told.tag == "of the step before"  # nobody touches it
        again, _ = one.draw(Shown(), 2, 2, np.random.default_rng(seed))
        assert torch.equal(first.images, again.images) and torch.equal(first.truth, again.truth)
