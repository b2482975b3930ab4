"""Objects through the phases of a cine: both engines, one slice position or all, and the proof with `tiny`."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from sam_infer.errors import PromptError
from sam_infer.imaging.cine import Cine
from sam_infer.imaging.volume import Volume
from sam_infer.job import CancelledError, Job
from sam_infer.masks.cleanup3d import Consistency
from sam_infer.models.load import load_backbone
from sam_infer.phases.in_time import BOTH, TIME, CinePrediction, InTime
from sam_infer.prompts.object_prompts import Box, Prompts
from sam_infer.propagation.options import SAM2, TRACKER, VolumeOptions
from sam_infer.slices.embedding_cache import EmbeddingCache
from sam_infer.slices.predictor import Predictor
from sam_trainer.measures.overlap import dice
from sam_trainer.synthetic.heart import POOL, beating_heart
from sam_trainer.synthetic.patients import grid
from tests.sam_infer.propagation.test_memory_walk import predictor as remembering_predictor  # noqa: F401
from tests.sam_infer.propagation.test_memory_walk import remembering  # noqa: F401

PHASES, START = 6, 2
# The network that stands for SAM 2 here finds only what was there before: an object that moves loses an edge each time.
LEAST = {TRACKER: 0.95, SAM2: 0.8}

GRID = grid((48, 40, 6), (1.0, 1.0, 3.0))


def truth(phase: int) -> np.ndarray:
    """A block that moves and grows with the phases, on slices 1 to 4; in the last phase it is gone from slice 4."""
    array = np.zeros(GRID.shape, bool)
    array[10 + phase : 28 + phase, 10 : 24 + phase, 1 : 4 if phase == PHASES - 1 else 5] = True
    return array


@pytest.fixture(scope="module")
def cine() -> Cine:
    return Cine.of([Volume(np.where(truth(n), 190, -100).astype(np.int16), GRID, "CT") for n in range(PHASES)], 0.1)


@pytest.fixture(params=[TRACKER, SAM2])
def asked(request: pytest.FixtureRequest, network) -> tuple[Predictor, VolumeOptions]:
    """Each engine with a network that sees what is bright."""
    if request.param == SAM2:
        return request.getfixturevalue("remembering_predictor"), VolumeOptions(engine=SAM2)
    return Predictor(network, EmbeddingCache()), VolumeOptions(engine=TRACKER)


def box(k: int = 2) -> Prompts:
    return Prompts(box=Box.of([10, 8, k], [32, 28, k]))


def phases_of(found: CinePrediction) -> list[np.ndarray]:
    return [one.array > 0 for one in found.mask.phases]


def test_one_slice_position_in_all_phases(asked: tuple[Predictor, VolumeOptions], cine: Cine) -> None:
    found = InTime(asked[0], cine, START, asked[1]).answer(box(), TIME)
    for phase, mask in enumerate(phases_of(found)):
        assert set(np.flatnonzero(mask.any(axis=(0, 1)))) == {2}
        assert dice(mask[:, :, 2], truth(phase)[:, :, 2]) > LEAST[asked[1].engine]
    assert found.mask.step_s == 0.1 and found.phase == START and sorted(found.scores) == list(range(PHASES))


def test_all_slice_positions_after_the_object_was_followed_in_space(
    asked: tuple[Predictor, VolumeOptions], cine: Cine
) -> None:
    found = InTime(asked[0], cine, START, asked[1]).answer(box(), BOTH)
    for phase, mask in enumerate(phases_of(found)):
        assert dice(mask, truth(phase)) > LEAST[asked[1].engine]
    np.testing.assert_array_equal(phases_of(found)[START], found.start.mask.array > 0)
    assert not phases_of(found)[-1][:, :, 4].any(), "what is gone in a phase is not drawn there"


def test_only_what_is_prompted_and_inside_the_limit(cine: Cine, network) -> None:
    walk = InTime(Predictor(network, EmbeddingCache()), cine, START)
    two = Prompts(points=np.array([[18, 15, 1], [18, 15, 3]]), labels=np.array([1, 1]))
    assert {int(k) for one in phases_of(walk.answer(two, TIME)) for k in np.flatnonzero(one.any(axis=(0, 1)))} == {1, 3}
    limited = walk.answer(Prompts(box=Box.of([10, 8, 2], [20, 28, 3])), BOTH)
    for mask in phases_of(limited):
        assert mask.any() and not mask[21:].any() and set(np.flatnonzero(mask.any(axis=(0, 1)))) <= {2, 3}


def test_it_is_the_same_along_every_axis(cine: Cine, network) -> None:
    predictor = Predictor(network, EmbeddingCache())
    found = InTime(predictor, cine, START).answer(Prompts(axis=0, box=Box.of([20, 8, 0], [20, 28, 5])), TIME)
    for phase, mask in enumerate(phases_of(found)):
        assert dice(mask[20], truth(phase)[20]) > 0.9 and not mask[:20].any() and not mask[21:].any()


def test_masks_of_all_phases_are_made_consistent(cine: Cine, network) -> None:
    holed = [one.array.copy() for one in cine.phases]
    for n, array in enumerate(holed):
        array[16 + n : 18 + n, 14:16, 2] = -100
    cine = Cine.of([replace(one, array=array) for one, array in zip(cine.phases, holed, strict=True)], 0.1)
    options = VolumeOptions(consistency=Consistency(fill_holes_mm3=100.0))
    found = InTime(Predictor(network, EmbeddingCache()), cine, START, options).answer(box(), BOTH)
    assert all(mask[17 + phase, 15, 2] for phase, mask in enumerate(phases_of(found)))


def test_progress_is_counted_and_it_can_be_called_off(cine: Cine, network) -> None:
    done, most = [0], [0]

    def progress(steps: int) -> None:
        done[0] += steps

    def expected(steps: int) -> None:
        most[0] += steps

    predictor = Predictor(network, EmbeddingCache())
    InTime(predictor, cine, START, job=Job(progress=progress, expected=expected)).answer(box(), BOTH)
    assert 4 * (PHASES - 1) <= done[0] <= most[0]
    stopping = Job(progress=progress, cancelled=lambda: done[0] >= 15)
    done[0] = 0
    with pytest.raises(CancelledError):
        InTime(predictor, cine, START, job=stopping).answer(box(), BOTH)
    done[0] = 0
    part = InTime(predictor, cine, START, job=replace(stopping, partial=lambda: True)).answer(box(), BOTH)
    assert not part.whole and part.mask.phases[START].array.any() and not part.mask.phases[-1].array[:, :, 3].any()


def test_the_reader_is_told_once_how_long_all_slice_positions_take(
    cine: Cine,
    remembering_predictor: Predictor,  # noqa: F811
) -> None:
    told: list[float] = []
    InTime(remembering_predictor, cine, START, VolumeOptions(engine=SAM2), Job(foreseen=told.append)).answer(
        box(), BOTH
    )
    in_space, in_time = told
    assert in_time == pytest.approx(in_space / GRID.shape[2] * 4 * PHASES)


def test_what_cannot_be_followed_in_time_is_refused_or_said(cine: Cine, network) -> None:
    predictor = Predictor(network, EmbeddingCache())
    for phases, along, sentence in ((cine.phases[:1], BOTH, "has none"), (cine.phases, "space", "along must be")):
        with pytest.raises(PromptError, match=sentence) as refused:
            InTime(predictor, Cine(tuple(phases)), 0).answer(box(), along)
        assert refused.value.field == "along"
    nothing = InTime(predictor, cine, START).answer(Prompts(box=Box.of([40, 30, 2], [46, 36, 2])), BOTH)
    assert not nothing.mask.marked and any("not found" in note for note in nothing.notes)


@pytest.mark.slow
@pytest.mark.parametrize(("along", "slices"), [(TIME, [1]), (BOTH, [0, 1, 2])])
def test_one_click_on_one_phase_of_a_beating_heart(along: str, slices: list[int]) -> None:
    cine, labels = beating_heart(np.random.default_rng(3), shape=(48, 44, 3), spacing=(3.2, 3.2, 12.0))
    pool = [one.array == POOL for one in labels.phases]
    areas = [int(one.sum()) for one in pool]
    assert len(pool) == 10 and min(areas) < 0.6 * max(areas)
    centre = np.argwhere(pool[3][:, :, 1]).mean(axis=0).round().astype(int)
    click = Prompts(points=np.array([[*centre, 1]]), labels=np.array([1]))
    found = InTime(Predictor(load_backbone("tiny"), EmbeddingCache()), cine, 3).answer(click, along)
    scores = [dice(mask[:, :, slices], here[:, :, slices]) for mask, here in zip(phases_of(found), pool, strict=True)]
    assert min(scores) >= 0.85, scores
