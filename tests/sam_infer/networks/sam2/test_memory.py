"""Following an object with SAM 2's memory gives the numbers of the package's video predictor, on a small network."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from sam_infer.networks.backbone import Features, Hints
from sam_infer.networks.slice_memory import Remembered, SliceMemory

pytest.importorskip("sam2")

from sam_infer.networks.sam2.architecture import HieraShape, build, with_weights
from sam_infer.networks.sam2.backbone import Sam2Backbone
from tests.reference.sam2_package import SMALL, normalised, state_of, video_predictor

SHAPE = HieraShape(16, 1, (1, 1, 2, 1), (3,), input_size=128)
FRAMES = 18
BOX = np.array([30.0, 40.0, 90.0, 100.0], np.float32)
POINT = np.array([[60.0, 70.0]], np.float32)
NO_POINTS = np.zeros((0, 2), np.float32)
BOXED, POINTED = Hints(NO_POINTS, np.zeros(0, np.int64), BOX), Hints(POINT, np.ones(1, np.int64))


class Pair:
    """Our network and the package's, with the same weights and the same frames."""

    def __init__(
        self,
        seeded_weights: Callable[..., dict[str, torch.Tensor]],
        shape: HieraShape = SHAPE,
        changes: tuple[str, ...] = SMALL,
        count: int = FRAMES,
    ) -> None:
        self.theirs, self.side, self.count = video_predictor(changes), shape.input_size, count
        weights = seeded_weights(self.theirs.state_dict())
        weights["sam_mask_decoder.pred_obj_score_head.layers.2.bias"] += 2  # the object is there, mostly
        self.theirs.load_state_dict(weights)
        self.ours = Sam2Backbone("small", with_weights(build(shape), weights))
        random = np.random.default_rng(3)
        self.frames = random.integers(0, 255, (count, self.side, self.side, 3)).astype(np.uint8)
        self.features: list[Features] = [self.ours.encode(frame[None]) for frame in self.frames]
        self.state: dict[str, Any] = state_of(self.theirs, normalised(torch.tensor(self.frames)))

    def told(self, prompts: dict[int, Hints]) -> dict[int, Remembered]:
        """Prompted frames, told to both; theirs forgets all it knew before."""
        self.theirs.reset_state(self.state)
        for index, hints in prompts.items():
            points, labels = (hints.points_xy / self.side, hints.labels) if len(hints.labels) else (None, None)
            box = None if hints.box_xyxy is None else hints.box_xyxy / self.side
            self.theirs.add_new_points_or_box(
                self.state, index, 1, points=points, labels=labels, box=box, normalize_coords=False
            )
        return {index: self.ours.prompted(self.features[index], hints) for index, hints in prompts.items()}

    def follow(self, prompted: dict[int, Remembered], indices: range) -> dict[int, Remembered]:
        """Ours, over slices in the order of `indices`."""
        memory, found = SliceMemory(self.count, indices.step < 0, None, prompted), dict[int, Remembered]()
        for index in indices:
            if index in prompted:
                found[index] = prompted[index]
                continue
            found[index] = self.ours.recalled(self.features[index], index, memory)
            memory = memory.with_followed(index, found[index], self.ours.most_remembered)
        return found

    def compare(self, ours: dict[int, Remembered], start: int, reverse: bool) -> None:
        """Every logit, and that there is something to compare."""
        compared, spread = 0, 0.0
        for index, _, masks in self.theirs.propagate_in_video(self.state, start, reverse=reverse):
            np.testing.assert_allclose(ours[index].logits, masks[0, 0].numpy(), atol=1e-4)
            compared, spread = compared + 1, max(spread, float(masks.std()))
        assert compared == len(ours) and spread > 0.1


@pytest.fixture(scope="module")
def pair(seeded_weights: Callable[..., dict[str, torch.Tensor]]) -> Pair:
    return Pair(seeded_weights)


def test_forward_then_reset_then_reverse(pair: Pair) -> None:
    """The order of calls of a volume: one memory per direction."""
    pair.compare(pair.follow(pair.told({3: BOXED}), range(3, FRAMES)), 3, reverse=False)
    pair.compare(pair.follow(pair.told({3: BOXED}), range(3, -1, -1)), 3, reverse=True)


def test_several_prompted_slices(pair: Pair) -> None:
    prompts = {2: POINTED, 9: BOXED, 16: POINTED}
    pair.compare(pair.follow(pair.told(prompts), range(2, FRAMES)), 2, reverse=False)
    pair.compare(pair.follow(pair.told(prompts), range(16, -1, -1)), 16, reverse=True)


def test_a_mask_is_a_prompt(pair: Pair) -> None:
    mask = np.zeros((128, 128), bool)
    mask[33:90, 41:77] = True
    pair.theirs.reset_state(pair.state)
    pair.theirs.add_new_mask(pair.state, 0, 1, mask)
    pair.compare(pair.follow({0: pair.ours.given(pair.features[0], mask)}, range(FRAMES)), 0, reverse=False)


def test_a_click_corrects_a_followed_slice(pair: Pair) -> None:
    prompted = pair.told({0: BOXED})
    memory, before = SliceMemory(FRAMES, False, None, prompted), prompted[0]
    theirs = {k: masks for k, _, masks in pair.theirs.propagate_in_video(pair.state, 0, 5)}
    for index in range(1, 5):
        before = pair.ours.recalled(pair.features[index], index, memory)
        memory = memory.with_followed(index, before, pair.ours.most_remembered)
    np.testing.assert_allclose(before.logits, theirs[4][0, 0].numpy(), atol=1e-4)
    clicked = Hints(POINT, np.zeros(1, np.int64), None, before.logits)
    kept = SliceMemory(FRAMES, False, None, prompted, {k: one for k, one in memory.followed.items() if k < 4})
    _, _, masks = pair.theirs.add_new_points_or_box(
        pair.state, 4, 1, points=POINT / 128, labels=np.zeros(1, np.int32), normalize_coords=False
    )
    answer = pair.ours.recalled(pair.features[4], 4, kept, clicked)
    np.testing.assert_allclose(answer.logits, masks[0, 0].numpy(), atol=1e-4)


def test_the_memory_does_not_grow(pair: Pair) -> None:
    prompted = pair.told({0: BOXED})
    memory = SliceMemory(FRAMES, False, 4, prompted)
    for index in range(1, FRAMES):
        memory = memory.with_followed(index, prompted[0], pair.ours.most_remembered)
    assert sorted(memory.followed) == [14, 15, 16, 17]
    assert SliceMemory(FRAMES, reach=0).with_followed(1, prompted[0], 15).followed == {}


def test_what_is_not_there_scores_nothing(pair: Pair) -> None:
    prompted = pair.told({0: BOXED})[0]
    assert 0 < prompted.score <= 1
