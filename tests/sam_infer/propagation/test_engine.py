"""Volume engines: another one answers wherever an object is followed, and unknown ones are refused."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from sam_infer.automatic.label_search import LabelSearch
from sam_infer.automatic.modes import propose_labels
from sam_infer.errors import PromptError
from sam_infer.imaging.volume import Volume
from sam_infer.job import Job
from sam_infer.prompts.object_prompts import Box, Prompts
from sam_infer.prompts.volume_prompts import VolumePrompts
from sam_infer.propagation.engine import ENGINES, engine, offered, segment_object
from sam_infer.propagation.many_labels import segment_labels
from sam_infer.propagation.options import SAM2, TRACKER, VolumeOptions
from sam_infer.propagation.result import VolumePrediction
from sam_infer.propagation.segment import segment_volume
from sam_infer.propagation.slice_result import SliceAnswer
from sam_infer.propagation.tracker_walk import TrackerWalk
from sam_infer.propagation.walk import Walk
from sam_infer.slices.embedding_cache import EmbeddingCache
from sam_infer.slices.predictor import Predictor
from sam_trainer.synthetic.patients import grid

GRID = grid((64, 48, 8), (1, 1, 3))


def boxed(low: int) -> Prompts:
    return Prompts(box=Box.of([low, 15, 4], [low + 19, 34, 4]))


class StampEngine:
    """What was found on the first prompted slice is on every slice."""

    name = "stamp"

    def __init__(self) -> None:
        self.asked: list[VolumeOptions] = []

    def segment(
        self, predictor: Predictor, volume: Volume, prompts: Prompts | VolumePrompts, options: VolumeOptions, job: Job
    ) -> VolumePrediction:
        self.asked.append(options)
        said = VolumePrompts.of(prompts, volume.geometry) if isinstance(prompts, Prompts) else prompts
        index, part = next(iter(said.anchors.items()))
        found = job.slice(lambda: predictor.predict(volume, part, index, options.slice))
        start, depth = SliceAnswer.of_prediction(found), volume.geometry.shape[said.axis]
        answers = {k: replace(start, view=volume.view(said.axis, k)) for k in range(depth)}
        return VolumePrediction.of(volume.geometry, said, answers, options.consistency)

    def walk(self, predictor: Predictor, volume: Volume, said: VolumePrompts, options: VolumeOptions, job: Job) -> Walk:
        return TrackerWalk(predictor, volume, said, options, job)


@pytest.fixture(scope="module")
def volume() -> Volume:
    """Two bright blocks on slices 2 to 5 only."""
    array = np.full(GRID.shape, -100, np.int16)
    array[10:30, 15:35, 2:6] = 190
    array[30:50, 15:35, 2:6] = 230
    return Volume(array, GRID, "CT")


@pytest.fixture
def predictor(network) -> Predictor:
    return Predictor(network, EmbeddingCache())


@pytest.fixture
def stamp(monkeypatch: pytest.MonkeyPatch) -> StampEngine:
    made = StampEngine()
    monkeypatch.setitem(ENGINES, made.name, made)
    return made


def slices_of(mask: np.ndarray) -> list[int]:
    return np.flatnonzero(mask.any(axis=(0, 1))).tolist()


def test_the_tracker_answers_where_nobody_is_named(predictor: Predictor, volume: Volume) -> None:
    plain = segment_volume(predictor, volume, boxed(10))
    found = segment_object(predictor, volume, boxed(10))
    assert np.array_equal(found.mask.array, plain.mask.array) and slices_of(found.mask.array) == [2, 3, 4, 5]
    assert {name: one.name for name, one in ENGINES.items()} == {name: name for name in ENGINES}


def test_the_options_name_another_engine(predictor: Predictor, volume: Volume, stamp: StampEngine) -> None:
    done: list[int] = []
    options = VolumeOptions(engine="stamp")
    found = segment_object(predictor, volume, boxed(10), options, Job(progress=done.append))
    assert slices_of(found.mask.array) == list(range(8)) and found.prompted == (4,)
    assert stamp.asked == [options] and done == [1]


def test_several_labels_go_through_the_engine_and_share_out_voxels(
    predictor: Predictor, volume: Volume, stamp: StampEngine
) -> None:
    answer = segment_labels(predictor, volume, {"left": boxed(10), "right": boxed(30)}, VolumeOptions(engine="stamp"))
    assert len(stamp.asked) == 2 and set(np.unique(answer.mask.array)) == {0, 1, 2}
    assert slices_of(answer.mask.array) == list(range(8))


def test_regions_that_are_proposed_go_through_the_engine(
    predictor: Predictor, volume: Volume, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = StampEngine()
    monkeypatch.setitem(ENGINES, TRACKER, made)
    found = propose_labels(LabelSearch(predictor, volume, 2, range(8), ("a", "b")), 4)
    assert made.asked and slices_of(found.mask.array) == list(range(8))


def test_an_engine_that_nobody_knows_is_refused_by_name(predictor: Predictor, volume: Volume) -> None:
    with pytest.raises(PromptError, match=r"engine must be one of auto, tracker.*, got 'video'") as refused:
        engine("video")
    assert refused.value.field == "engine"
    with pytest.raises(PromptError, match="got 'video'"):
        segment_labels(predictor, volume, {"a": boxed(10)}, VolumeOptions(engine="video"))


def test_sam_2_is_offered_to_its_own_models_where_its_package_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(ENGINES, SAM2, StampEngine())
    assert offered("tiny") == ["auto", "tracker"] and offered("sam2.1_hiera_tiny") == ["auto", "tracker", "sam2"]
    monkeypatch.delitem(ENGINES, SAM2)
    assert offered("sam2.1_hiera_tiny") == ["auto", "tracker"]
    with pytest.raises(PromptError, match="engine must be one of auto, tracker, got 'sam2'"):
        engine(SAM2)
