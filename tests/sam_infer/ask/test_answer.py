"""Every question gets from `answer` what its part of the engine says, with the notes in one order."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from sam_infer.ask.answer import NOTHING_FOUND, answer
from sam_infer.ask.context import Context
from sam_infer.ask.question import LabelQuestion, ObjectQuestion, ObjectsQuestion, SliceQuestion
from sam_infer.automatic.example import AcceptedCase
from sam_infer.automatic.grid import grid_labels
from sam_infer.automatic.label_search import LabelSearch
from sam_infer.automatic.modes import MODES, propose_labels
from sam_infer.errors import PromptError
from sam_infer.imaging.volume import Mask, Volume
from sam_infer.job import Job
from sam_infer.prompts.object_prompts import Prompts
from sam_infer.propagation.many_labels import segment_labels
from sam_infer.propagation.segment import segment_volume
from sam_infer.slices.embedding_cache import EmbeddingCache
from sam_infer.slices.predictor import Predictor
from tests.samlabel.region_growing import RegionGrowing

MIDDLE = 10


@pytest.fixture
def predictor() -> Predictor:
    return Predictor(RegionGrowing("x"), EmbeddingCache())


@pytest.fixture
def prompts(l_phantom: tuple[Volume, Mask]) -> Prompts:
    inside = np.argwhere(l_phantom[1].array[:, :, MIDDLE])
    i, j = inside[len(inside) // 2]
    return Prompts(points=np.array([[i, j, MIDDLE]]), labels=np.array([1]))


def test_a_slice_is_answered_as_the_predictor_does(predictor, prompts, l_phantom) -> None:
    volume = l_phantom[0]
    found = answer(SliceQuestion(prompts, MIDDLE), predictor, volume)
    alone = predictor.predict(volume, prompts, MIDDLE)
    assert np.array_equal(found.found.logits, alone.logits) and np.array_equal(
        found.mask.array, alone.mask(volume).array
    )
    assert found.mask.array[:, :, MIDDLE].any() and found.notes == ()
    assert {"encode", "decode", "post", "write"} <= found.found.seconds.keys()


def test_notes_tell_of_the_image_the_answer_and_the_network(predictor, l_phantom) -> None:
    volume = replace(l_phantom[0], note="slices are uneven")
    noted = replace(predictor, note="no adapter")
    corner = Prompts(points=np.array([[0, 0, 0]]), labels=np.array([1]))
    found = answer(SliceQuestion(corner, 0), noted, volume)
    told = ("slices are uneven", NOTHING_FOUND, "no adapter") if not found.mask.array.any() else found.notes
    assert found.notes == told and found.notes[0] == "slices are uneven" and found.notes[-1] == "no adapter"
    body = answer(ObjectQuestion(corner), noted, volume)
    assert body.notes == (*body.found.notes, "slices are uneven", "no adapter")


def test_objects_are_answered_by_the_volume_engine_and_its_job(predictor, prompts, l_phantom) -> None:
    volume, steps = l_phantom[0], []
    context = Context(Job(progress=steps.append))
    found = answer(ObjectQuestion(prompts), predictor, volume, context)
    assert np.array_equal(found.mask.array, segment_volume(predictor, volume, prompts).mask.array) and sum(steps) > 1
    several = answer(ObjectsQuestion({"a": prompts}), predictor, volume)
    assert np.array_equal(several.mask.array, segment_labels(predictor, volume, {"a": prompts}).mask.array)


def test_modes_without_cases_read_none(predictor, l_phantom) -> None:
    volume, slices = l_phantom[0], range(8, 13)

    def cases() -> list[AcceptedCase]:
        raise AssertionError("nobody may look at accepted cases")

    search = LabelSearch(predictor, volume, 2, slices, ("l",))
    found = answer(LabelQuestion("propose", 2, slices, ("l",)), predictor, volume, Context(cases=cases))
    assert np.array_equal(found.mask.array, propose_labels(search, 10).mask.array)
    prior = answer(
        LabelQuestion("grid", 2, slices, ("l",), prior=l_phantom[1]), predictor, volume, Context(cases=cases)
    )
    assert np.array_equal(prior.mask.array, grid_labels(search, l_phantom[1]).mask.array)
    assert set(np.unique(prior.mask.array)) == {0, 1}


@pytest.mark.parametrize("mode", ["selfprompt", "atlas", "grid"])
def test_modes_that_learn_ask_for_cases_and_refuse_without(predictor, l_phantom, mode: str) -> None:
    asked = []
    with pytest.raises(PromptError, match="accepted"):
        answer(
            LabelQuestion(mode, 2, range(8, 13), ("l",)), predictor, l_phantom[0], Context(cases=lambda: asked or [])
        )


def test_a_question_is_checked_when_it_is_made(l_phantom) -> None:
    with pytest.raises(PromptError, match="propose, grid"):
        LabelQuestion("everything", 2, range(3), ("l",))
    for mode in set(MODES) - {"grid", "best"}:
        with pytest.raises(PromptError, match="takes no prior"):
            LabelQuestion(mode, 2, range(3), ("l",), prior=l_phantom[1])
    assert LabelQuestion("propose", 2, range(4, 9), ("l",)).first == 6
    assert LabelQuestion("propose", 2, range(4, 9), ("l",), start=4).first == 4
