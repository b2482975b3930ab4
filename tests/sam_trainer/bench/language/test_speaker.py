"""A reader who only speaks: says what is likeliest, takes back what made it worse, and never points."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from sam_infer.imaging.volume import Mask, Volume
from sam_infer.prompts.object_prompts import Box, Prompts
from sam_infer.slices.embedding_cache import EmbeddingCache
from sam_infer.slices.predictor import Predictor
from sam_infer.spoken.dialogue import Dialogue
from sam_infer.spoken.scene import Scene
from sam_infer.spoken.text_to_box import Located, Query
from sam_trainer.bench.language.golden import golden, read_as
from sam_trainer.bench.language.speaker import ENOUGH, MOST, Speaker
from sam_trainer.synthetic.patients import grid

GEOMETRY = grid((64, 64, 3), (1.0, 1.0, 3.0))


class Off:
    """Finds a box that is too small and to one side."""

    def locate(self, query: Query) -> Located:
        box = Box(np.array([14, 20, 1]), np.array([30, 34, 1]))
        return Located(box, box, 1, 0.5, "beside it")


def speaker(network: Any, truth_end: int = 40) -> tuple[Speaker, Scene]:
    array = np.zeros(GEOMETRY.shape, np.int16, order="F")
    array[20:41, 20:41] = 200
    truth = np.zeros(array.shape, bool)
    truth[20 : truth_end + 1, 20:41, 1] = True
    dialogue = Dialogue(Predictor(network, EmbeddingCache()), Volume(array, GEOMETRY, "CT"), [Off()])
    return Speaker(dialogue, ("block",), truth), Scene(Prompts(2), 1, "block", Mask.empty(GEOMETRY))


def test_words_alone_get_there(network: Any) -> None:
    reader, scene = speaker(network)
    talk = reader.talk(scene, "segment block")
    assert talk.first < ENOUGH <= talk.best and talk.reached
    assert talk.steps == len(talk.said) <= 5 and talk.said[0] == "segment block"
    assert all(one.split()[0] in ("segment", "box", "undo") for one in talk.said)


def test_what_cannot_be_reached_ends_and_says_so(network: Any) -> None:
    reader, scene = speaker(network, truth_end=22)
    reader.truth[::2] = False
    talk = reader.talk(scene, "segment block")
    assert not talk.reached and talk.steps == MOST + 1 and len(talk.said) <= MOST + 1 and "undo" in talk.said


def test_everything_that_the_reader_says_is_understood(network: Any) -> None:
    reader, scene = speaker(network)
    scene = reader.dialogue.say([], scene).scene
    started = reader._after("segment block", scene)
    assert len(list(reader.wishes(started))) >= 6
    assert len(golden()) >= 120 and read_as("nonsense") == "!"
    with pytest.raises(StopIteration):
        next(reader._about_the_box(scene, reader.truth[..., 1]))  # nothing is said of a box that is not there
