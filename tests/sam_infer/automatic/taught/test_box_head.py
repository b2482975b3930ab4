import numpy as np
import pytest
import torch

from sam_infer.automatic.taught import box_head
from sam_infer.automatic.taught.box_head import BoxHead, instances, iou
from sam_infer.automatic.taught.embedded_slice import EmbeddedSlice
from sam_infer.errors import PromptError

SIDE, SIZE = 32, 128


def scene(seed: int, count: int | None = None) -> EmbeddedSlice:
    """An embedding in which blobs of two kinds show, each in a channel of its own, among some of neither."""
    rng = np.random.default_rng(seed)
    rows, cols = np.mgrid[:SIZE, :SIZE]
    values = np.zeros((SIZE, SIZE), np.uint8)
    decoy = np.zeros((SIZE, SIZE), bool)
    spots = rng.permutation(9)
    wanted = int(rng.integers(1, 5)) if count is None else count
    for number, spot in enumerate(spots[: wanted + 2]):
        middle = np.array([spot // 3, spot % 3]) * 42 + 21 + rng.uniform(-4, 4, 2)
        blob = ((rows - middle[0]) / rng.uniform(6, 14)) ** 2 + ((cols - middle[1]) / rng.uniform(6, 14)) ** 2 < 1
        if number >= wanted:
            decoy |= blob
        else:
            values[blob] = 1 + spot % 2
    step = SIZE // SIDE
    looks = rng.normal(0, 0.2, (1, 4, SIDE, SIDE))
    looks[0, 0] += values[::step, ::step] == 1
    looks[0, 1] += values[::step, ::step] == 2
    looks[0, 2] += decoy[::step, ::step]
    return EmbeddedSlice({"embedding": torch.tensor(looks)}, values)


@pytest.fixture(scope="module")
def head(one_thread) -> BoxHead:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(box_head, "STEPS", 200)  # blobs are easier than lesions
        return BoxHead.learned(2, SIDE, [scene(seed) for seed in range(24)])


def test_every_instance_gets_a_box_and_nothing_else_does(head: BoxHead) -> None:
    overlaps, found_count, true_count = [], 0, 0
    for seed in range(100, 112):
        example = scene(seed)
        found = head.find(example.features)
        truth = instances(example.values, 2)
        found_count, true_count = found_count + len(found), true_count + len(truth)
        for label, box in truth:
            overlaps.append(max((iou(one.box, box) for one in found if one.label == label), default=0.0))
    assert np.mean(overlaps) >= 0.6
    assert abs(found_count - true_count) <= 0.2 * true_count


def test_a_slice_without_an_object_has_no_box(head: BoxHead) -> None:
    assert head.find(scene(200, count=0).features) == []


def test_boxes_are_distinct_and_the_surest_come_first(head: BoxHead) -> None:
    found = head.find(scene(300, count=4).features, threshold=0.01)
    assert [one.score for one in found] == sorted((one.score for one in found), reverse=True)
    assert all(iou(a.box, b.box) <= 0.4 for n, a in enumerate(found) for b in found[:n])
    assert all(0 <= one.box[0] < one.box[2] <= SIZE and 0 <= one.box[1] < one.box[3] <= SIZE for one in found)


def test_instances_are_connected_parts_and_fragments_are_left_out() -> None:
    values = np.zeros((64, 64), np.uint8)
    values[4:14, 6:12], values[30:40, 30:50], values[60, 60] = 1, 1, 1
    values[20:26, 50:60] = 2
    assert instances(values, 2) == [
        (0, (6.0, 4.0, 12.0, 14.0)),
        (0, (30.0, 30.0, 50.0, 40.0)),
        (1, (50.0, 20.0, 60.0, 26.0)),
    ]


def test_overlap_of_boxes() -> None:
    assert iou((0, 0, 2, 2), (1, 0, 3, 2)) == pytest.approx(1 / 3)
    assert iou((0, 0, 1, 1), (1, 1, 2, 2)) == 0.0


def test_nothing_can_be_learned_from_empty_slices() -> None:
    with pytest.raises(PromptError, match="accept a label first"):
        BoxHead.learned(2, SIDE, [scene(1, count=0)])
