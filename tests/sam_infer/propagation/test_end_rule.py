import numpy as np
import pytest

from sam_infer.imaging.geometry import Geometry
from sam_infer.imaging.volume import Volume
from sam_infer.propagation.end_rule import Ending, EndPolicy
from sam_infer.propagation.slice_result import Patch, SliceAnswer


def ended(lost: float, round_trip: float, policy: EndPolicy) -> bool:
    """Whether an object of whose pixels a share looks like its surroundings on the next slice has ended there."""
    rng = np.random.default_rng(0)
    mask = np.zeros((60, 60), bool)
    mask[20:40, 20:40] = True
    here = np.where(mask, 100, 20)
    there = np.where(mask & (rng.random(mask.shape) >= lost), 100, 20)
    array = np.stack([here, there], axis=-1) + rng.normal(0, 5, (*mask.shape, 2))
    volume = Volume(array.astype(np.float32), Geometry((60, 60, 2), np.diag([-1.0, -1.0, 1.0, 1.0])))
    start, answer = (SliceAnswer(volume.view(2, k), Patch.of(mask), (), 0.9) for k in range(2))
    return Ending.at(volume, start, policy).reached(start, answer, round_trip)


@pytest.mark.parametrize(
    ("lost", "round_trip", "ends"),
    [(0.0, 0.75, False), (0.2, 0.95, False), (0.2, 0.75, True), (0.4, 0.95, True), (0.0, 0.5, True)],
    ids=["a poor way back", "a little unlike", "both", "unlike", "no way back"],
)
def test_two_mild_doubts_are_as_good_as_one_grave_one(lost: float, round_trip: float, ends: bool) -> None:
    assert ended(lost, round_trip, EndPolicy()) == ends


def test_between_two_prompts_no_doubt_ends_an_object() -> None:
    assert not ended(1.0, 0.0, EndPolicy().between())
