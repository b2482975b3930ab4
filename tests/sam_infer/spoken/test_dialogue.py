"""Commands done on a volume by a network that can be computed by hand; every step back is the same to the bit."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from sam_infer.arrays import BoolArray
from sam_infer.errors import PromptError
from sam_infer.imaging.geometry import Geometry
from sam_infer.imaging.volume import Mask, Volume
from sam_infer.prompts.language.grammar import understood
from sam_infer.prompts.object_prompts import Box, Prompts
from sam_infer.slices.embedding_cache import EmbeddingCache
from sam_infer.slices.predictor import Predictor
from sam_infer.spoken.dialogue import Dialogue, Spoken
from sam_infer.spoken.scene import Scene
from sam_infer.spoken.text_to_box import Located, Query
from sam_trainer.synthetic.patients import grid
from tests.sam_infer.prompts.grids import turned

LABELS = ("block", "other")
LOW, HIGH = np.array([20, 20, 3]), np.array([39, 39, 8])  # of the block
MORE = np.array([2, 2, 0])
FLAT = Geometry((64, 60, 12), grid((64, 60, 12), (1.0, 1.0, 3.0)).affine)


class Beside:
    """A detector that is two voxels off."""

    def locate(self, query: Query) -> Located | None:
        if query.label != "block":
            return None
        low, high = LOW - MORE, HIGH + MORE
        index = query.index if query.index is not None and low[2] <= query.index <= high[2] else 5
        return Located(Box(low, high), Box(np.r_[low[:2], index], np.r_[high[:2], index]), index, 0.8, "as told")


@pytest.fixture
def talk(network: Any) -> Dialogue:
    array = np.zeros(FLAT.shape, np.int16, order="F")
    array[tuple(slice(a, b + 1) for a, b in zip(LOW, HIGH, strict=True))] = 200
    return Dialogue(Predictor(network, EmbeddingCache()), Volume(array, FLAT, "CT"), [Beside()])


def empty(index: int = 5, there: BoolArray | None = None) -> Scene:
    array = np.zeros(FLAT.shape, np.uint8) if there is None else there.astype(np.uint8)
    return Scene(Prompts(2), index, "block", Mask(np.asfortranarray(array), FLAT))


def said(talk: Dialogue, text: str, scene: Scene | None = None) -> Spoken:
    talk.notes.clear()
    return talk.say(understood(text, LABELS), scene or empty())


def test_a_label_becomes_a_box_and_the_box_a_mask(talk: Dialogue) -> None:
    found = said(talk, "segment block")
    there = np.argwhere(found.scene.mask.array)
    assert there.min(0).tolist() == [20, 20, 5] and there.max(0).tolist() == [39, 39, 5]
    assert found.scene.box.low.tolist() == [18, 18, 5] and found.score == pytest.approx(0.9)
    assert found.notes == ("block: as told",) and found.told[0].voxels == 400
    assert said(talk, "segment block", empty(11)).scene.index == 5  # it is not on that slice


def test_commands_follow_each_other_and_each_is_told(talk: Dialogue) -> None:
    found = said(talk, "segment block; box smaller 6 mm; expand 2 mm left then next slice")
    assert [one.read for one in found.told] == ["segment block", "box smaller 6 mm", "expand 2 mm left", "next slice"]
    assert [one.slice for one in found.told] == [5, 5, 5, 6]
    assert found.told[1].voxels == 12 * 12 and found.told[2].voxels == 14 * 12
    half = found.scene.mask.array[..., 5].any(axis=1)
    sign = FLAT.world_axes[0][1]
    assert np.flatnonzero(half).tolist() == list(range(22, 36) if sign > 0 else range(24, 38))


def test_undo_and_redo_are_exact_to_the_bit_within_what_is_said(talk: Dialogue) -> None:
    start = said(talk, "segment block; expand 3 mm; box left 4 mm; remove region 5; remove region 1; smooth 2 mm").scene
    commands = "expand 3 mm|shrink 2 mm left|keep largest|fill holes|smooth 1 mm|next candidate|box bigger 4 mm"
    for command in f"{commands}|remove region 9|add point 1 1 5|next slice|propagate up".split("|"):
        there = said(talk, command, start).scene
        back = said(talk, f"{command} then undo", start)
        assert back.scene is start and back.wishes == ()
        again = said(talk, f"{command}; undo; redo", start).scene
        assert again.mask.array.tobytes() == there.mask.array.tobytes() and again.index == there.index


def test_beyond_what_is_said_here_undo_is_a_wish_to_who_keeps_the_history(talk: Dialogue) -> None:
    scene = said(talk, "segment block").scene
    alone = said(talk, "undo", scene)
    assert alone.wishes == ("undo",) and alone.scene is scene
    assert said(talk, "expand 1 mm; accept", scene).wishes == ("accept",)
    for wrong in ("undo; expand 1 mm", "accept; undo", "redo then next slice"):
        with pytest.raises(PromptError, match="say it alone"):
            said(talk, wrong, scene)


def test_the_object_is_followed_both_ways_or_one(talk: Dialogue) -> None:
    start = said(talk, "segment block").scene
    both = np.flatnonzero(said(talk, "propagate", start).scene.mask.array.any(axis=(0, 1)))
    assert both.tolist() == [3, 4, 5, 6, 7, 8]
    up = np.flatnonzero(said(talk, "propagate up", start).scene.mask.array.any(axis=(0, 1)))
    assert up.tolist() == [5, 6, 7, 8]
    with pytest.raises(PromptError, match="lies in the slices"):
        said(talk, "propagate left", start)


def test_regions_and_points_are_hints_where_they_say_most(talk: Dialogue) -> None:
    start = said(talk, "segment block").scene
    removed = said(talk, "remove region middle", start).scene.prompts
    assert removed.labels.tolist() == [0] and (np.abs(removed.points[0] - [29, 29, 5]) <= 1).all()
    turned_over = said(talk, "add point 29 29 5; remove point 29 29 5", start).scene.prompts
    assert turned_over.labels.tolist() == [0] and len(turned_over.points) == 1
    with pytest.raises(PromptError, match="is in the mask"):
        said(talk, "add region middle", start)


def test_what_cannot_be_done_says_what_to_do(talk: Dialogue) -> None:
    for text, words in {
        "segment other": "nobody knows where other is",
        "box bigger 5 mm": "there is no box yet",
        "expand 2 mm": "there is no mask yet",
        "propagate": "there is no mask yet",
        "add point 99 0 0": "outside the image",
        "next candidate": "no point, box or mask",
    }.items():
        with pytest.raises(PromptError, match=words):
            said(talk, text)
    start = said(talk, "segment block").scene
    with pytest.raises(PromptError, match="would leave nothing"):
        said(talk, "shrink 50 mm", start)
    with pytest.raises(PromptError, match="would be lost"):
        said(talk, "expand 1 mm; segment other", start)
    assert "nothing changed" in said(talk, "fill holes", start).notes[0]


def test_another_candidate_and_back(talk: Dialogue) -> None:
    start = said(talk, "segment block; add point 29 29 5").scene
    other = said(talk, "next candidate", start).scene
    assert other.candidate == 1 and other.mask.array.sum() != start.mask.array.sum()
    assert said(talk, "previous candidate", other).scene.mask.array.tobytes() == start.mask.array.tobytes()


def test_the_same_words_mean_the_same_tissue_however_the_image_is_stored(network: Any, talk: Dialogue) -> None:
    order, flips = (1, 2, 0), (0, 2)
    other = turned(FLAT, order, flips)
    array = np.flip(talk.volume.array, flips).transpose(order)
    twin = Dialogue(Predictor(network, EmbeddingCache()), Volume(np.asfortranarray(array), other, "CT"), [])
    there = np.zeros(FLAT.shape, bool)
    there[20:40, 20:40, 3:9] = True
    moved = np.flip(there, flips).transpose(order)
    for text in ("expand 3 mm left", "shrink 2 mm posterior", "expand 3 mm up", "expand 4 mm", "smooth 2 mm"):
        one = said(talk, text, empty(5, there)).scene.mask.array
        scene = Scene(
            Prompts(other.axis_of_plane("axial")), 5, "block", Mask(np.asfortranarray(moved, np.uint8), other)
        )
        two = said(twin, text, scene).scene.mask.array
        assert np.array_equal(np.flip(one, flips).transpose(order), two), text
