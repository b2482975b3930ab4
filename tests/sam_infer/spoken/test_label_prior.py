"""Where labels are expected: by place in the body, by size, and by neighbours; however cases are stored."""

from __future__ import annotations

import numpy as np

from sam_infer.automatic.example import AcceptedCase
from sam_infer.imaging.geometry import Geometry
from sam_infer.imaging.volume import Mask, Volume
from sam_infer.prompts.object_prompts import Box
from sam_infer.spoken.label_prior import BodyFrame, KnownCase, LabelPrior, body_box
from sam_trainer.synthetic.patients import grid
from tests.sam_infer.prompts.grids import turned


def case(shift: int = 0, beside: int = 0, spacing: tuple[float, float, float] = (2, 2, 4)) -> AcceptedCase:
    """A body of 48 x 48 x 10 voxels with two labels; `shift` moves the body, `beside` both labels within it."""
    array = np.zeros((64, 64, 10), np.int16, order="F")
    truth = np.zeros(array.shape, np.uint8, order="F")
    array[4 + shift : 52 + shift, 8:56] = 100
    at = 10 + shift + beside
    truth[at : at + 12, 16:28, 2:8], truth[at + 16 : at + 28, 30:42, 3:7] = 1, 2
    geometry = grid(array.shape, spacing)
    return AcceptedCase(Volume(array, geometry, "MR"), Mask(truth, geometry))


def restored(one: AcceptedCase, order: tuple[int, int, int], flips: tuple[int, ...]) -> AcceptedCase:
    geometry: Geometry = turned(one.volume.geometry, order, flips)
    image, labels = (
        np.asfortranarray(np.flip(a, flips).transpose(order)) for a in (one.volume.array, one.labels.array)
    )
    return AcceptedCase(Volume(image, geometry, "MR"), Mask(labels, geometry))


def iou(box: Box, truth: np.ndarray) -> float:
    mine = np.zeros(truth.shape, bool)
    mine[tuple(slice(a, b + 1) for a, b in zip(box.low, box.high, strict=True))] = True
    there = np.zeros(truth.shape, bool)
    voxels = np.argwhere(truth)
    there[tuple(slice(a, b + 1) for a, b in zip(voxels.min(0), voxels.max(0), strict=True))] = True
    return float((mine & there).sum() / (mine | there).sum())


def test_boxes_and_edges_are_the_same_in_any_order_of_axes() -> None:
    one = case()
    for other in (one, restored(one, (2, 0, 1), (1,)), restored(one, (0, 1, 2), (0, 2))):
        frame = BodyFrame(other.volume.geometry)
        voxels = np.argwhere(other.labels.array == 1)
        box = Box(voxels.min(0), voxels.max(0))
        again = frame.box(frame.edges(box))
        assert again.low.tolist() == box.low.tolist() and again.high.tolist() == box.high.tolist()


def test_a_label_is_expected_at_its_place_in_the_body() -> None:
    new = case(shift=6)
    assert body_box(new.volume).low[0] == 10
    for taught in (case(), restored(case(), (1, 2, 0), (0, 1))):
        prior = LabelPrior(new.volume, [KnownCase.of(taught)])
        found = prior.expected(1, {})
        assert found is not None and iou(found, new.labels.array == 1) > 0.9
    assert prior.expected(3, {}) is None


def test_a_neighbour_that_is_drawn_says_more_than_the_body() -> None:
    new = case(beside=12)  # everything inside lies elsewhere than it used to
    prior = LabelPrior(new.volume, [KnownCase.of(case()), KnownCase.of(case(beside=-4))])
    voxels = np.argwhere(new.labels.array == 2)
    alone, beside = prior.expected(1, {}), prior.expected(1, {2: Box(voxels.min(0), voxels.max(0))})
    assert alone is not None and beside is not None
    truth = new.labels.array == 1
    assert iou(beside, truth) > iou(alone, truth) + 0.1
