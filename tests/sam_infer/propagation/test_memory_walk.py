"""The engine `sam2` with a network whose memory can be followed by hand: order of calls, memories, cache, ends."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
import torch

from sam_infer.errors import PromptError
from sam_infer.imaging.volume import Volume
from sam_infer.job import CancelledError, Job
from sam_infer.networks.backbone import Features, Hints
from sam_infer.networks.slice_memory import Remembered, SliceMemory
from sam_infer.prompts.object_prompts import Box, Prompts
from sam_infer.prompts.volume_prompts import VolumePrompts
from sam_infer.propagation.engine import Sam2Engine
from sam_infer.propagation.memory_walk import REACH_MM
from sam_infer.propagation.options import SAM2, VolumeOptions
from sam_infer.propagation.pace import _known
from sam_infer.propagation.result import VolumePrediction
from sam_infer.slices.embedding_cache import EmbeddingCache
from sam_infer.slices.predictor import Predictor
from sam_trainer.synthetic.patients import grid

OPTIONS = VolumeOptions(engine=SAM2)


@pytest.fixture
def remembering(bright: type) -> object:
    """The network that sees what is bright, with a memory: of what it remembers, only what is bright is there still."""

    class Remembering(bright):
        most_remembered = 15

        def __init__(self) -> None:
            super().__init__()
            self.calls: list[tuple] = []

        def _kept(self, logits: np.ndarray) -> Remembered:
            there = bool((logits > 0).any())
            return Remembered(logits, 0.9 if there else 0.0, {"obj_ptr": torch.tensor(float((logits > 0).sum()))})

        def prompted(self, features: Features, hints: Hints) -> Remembered:
            self.calls.append(("prompt",))
            return self._kept(self.decode(features, hints).logits[0])

        def given(self, features: Features, mask: np.ndarray) -> Remembered:
            self.calls.append(("mask", int(mask.sum())))
            return self._kept(np.where(mask, 8.0, -8.0).astype(np.float32))

        def recalled(self, features, index: int, memory: SliceMemory, hints: Hints | None = None) -> Remembered:
            self.calls.append(("recall", index, memory.reverse, tuple(memory.prompted), tuple(sorted(memory.followed))))
            bright_now = (features["grey"][0].numpy() - 150.0) / 10.0
            near = np.max([one.logits for one in (*memory.prompted.values(), *memory.followed.values())], axis=0)
            logits = np.where(near > 0, bright_now, -10.0)
            if hints is not None:
                assert hints.mask_logits is not None
                logits[:, : int(hints.points_xy[hints.labels == 0][:, 0].max(initial=0))] = -10
            return self._kept(logits.astype(np.float32))

    return Remembering()


@pytest.fixture
def predictor(remembering) -> Iterator[Predictor]:
    yield Predictor(remembering, EmbeddingCache())
    _known.clear()


def block(gap: float = 3.0, depth: int = 16) -> Volume:
    """A bright block on slices 3 to 12."""
    geometry = grid((64, 48, depth), (1, 1, gap))
    array = np.full(geometry.shape, -100, np.int16)
    array[10:30, 15:35, 3:13] = 190
    return Volume(array, geometry, "CT")


def boxed(index: int = 7) -> Prompts:
    return Prompts(box=Box.of([8, 13, index], [31, 36, index]))


def segment(predictor: Predictor, volume: Volume, prompts, job: Job | None = None, **more) -> VolumePrediction:
    return Sam2Engine().segment(predictor, volume, prompts, replace(OPTIONS, **more), job or Job())


def slices_of(found: VolumePrediction) -> list[int]:
    return np.flatnonzero(found.mask.array.any(axis=(0, 1))).tolist()


def test_each_direction_has_a_memory_of_its_own_and_ends_where_the_object_does(predictor: Predictor) -> None:
    found = segment(predictor, block(), boxed())
    assert slices_of(found) == list(range(3, 13)) and found.mask.array.sum() == 20 * 20 * 10
    calls = predictor.backbone.calls
    recalled = [call for call in calls[2:] if call[0] == "recall"]  # the first two measured the pace
    assert [call[1] for call in recalled] == [6, 5, 4, 3, 2, 8, 9, 10, 11, 12, 13]
    assert [call[2] for call in recalled] == [True] * 5 + [False] * 6
    assert recalled[3] == ("recall", 3, True, (7,), (4, 5, 6)) and recalled[5][4] == ()


def test_between_two_prompts_both_are_remembered_and_nothing_ends(predictor: Predictor) -> None:
    volume = block()
    volume.array[:, :, 8] = -100  # the object is gone on one slice
    said = VolumePrompts.of(Prompts(), volume.geometry, [boxed(5).box, boxed(11).box])
    found = segment(predictor, volume, said)
    assert slices_of(found) == [3, 4, 5, 6, 7, 9, 10, 11, 12]
    between = [call for call in predictor.backbone.calls if call[0] == "recall" and len(call[3]) == 2]
    assert {call[3] for call in between} == {(5, 11), (11, 5)} and len(between) == 10


@pytest.mark.parametrize(("gap", "most"), [(3.0, 15), (REACH_MM / 2, 2), (100.0, 1)])
def test_thick_slices_are_soon_forgotten(predictor: Predictor, gap: float, most: int) -> None:
    geometry = grid((64, 48, 24), (1, 1, gap))
    array = np.full(geometry.shape, -100, np.int16)
    array[10:30, 15:35] = 190
    segment(predictor, Volume(array, geometry, "CT"), boxed(0))
    assert max(len(call[4]) for call in predictor.backbone.calls if call[0] == "recall") == max(most, 6)
    assert len(predictor.backbone.calls[-1][4]) == most


def test_a_correction_encodes_nothing_again_and_decodes_its_neighbours_only(predictor: Predictor) -> None:
    volume, network = block(), predictor.backbone
    boxes = [boxed(k).box for k in (4, 8, 11)]
    before = segment(predictor, volume, VolumePrompts.of(Prompts(), volume.geometry, boxes)).mask.array
    encodes, calls = network.encodes, len(network.calls)
    hint = Prompts(points=np.array([[15, 20, 6]]), labels=np.array([0]))
    after = segment(predictor, volume, VolumePrompts.of(hint, volume.geometry, boxes)).mask.array
    assert network.encodes == encodes
    recalled = [call[1] for call in network.calls[calls:] if call[0] == "recall"]
    assert set(recalled) == {5, 6, 7} and len(recalled) == 5  # the clicked slice, and both ways on either side
    changed = np.flatnonzero((before != after).any(axis=(0, 1))).tolist()
    assert 6 in changed and set(changed) <= {5, 6, 7}


def test_the_same_question_again_follows_nothing(predictor: Predictor) -> None:
    first = segment(predictor, block(), boxed())
    calls = len(predictor.backbone.calls)
    done: list[int] = []
    again = segment(predictor, block(), boxed(), Job(progress=done.append))
    assert np.array_equal(first.mask.array, again.mask.array) and sum(done) == 10
    assert predictor.backbone.calls[calls:] == [("prompt",)]


def test_a_prior_mask_is_told_as_a_mask(predictor: Predictor) -> None:
    volume = block()
    prior = segment(predictor, volume, boxed()).mask
    prior.array[:, :, :7] = prior.array[:, :, 8:] = 0
    found = segment(predictor, volume, Prompts(mask=prior))
    assert slices_of(found) == list(range(3, 13))
    assert any(call[0] == "mask" for call in predictor.backbone.calls)


def test_the_reader_is_told_how_long_before_the_first_slice(predictor: Predictor) -> None:
    told: list[tuple[str, float]] = []
    job = Job(foreseen=lambda seconds: told.append(("at most", seconds)), progress=lambda n: told.append(("done", n)))
    segment(predictor, block(), boxed(), job)
    assert told[0][0] == "at most" and told[0][1] > 0 and told[1] == ("done", 1)


def test_it_can_be_called_off_between_slices(predictor: Predictor) -> None:
    done: list[int] = []
    job = Job(cancelled=lambda: len(done) >= 4, progress=done.append)
    with pytest.raises(CancelledError):
        segment(predictor, block(), boxed(), job)
    assert len(done) == 4
    part = segment(predictor, block(), boxed(), replace(job, partial=lambda: True, cancelled=lambda: len(done) >= 7))
    assert not part.whole and len(slices_of(part)) == 3


def test_a_network_without_a_memory_is_refused(network) -> None:
    with pytest.raises(PromptError, match="bright has none") as refused:
        segment(Predictor(network, EmbeddingCache()), block(), boxed())
    assert refused.value.field == "engine"
