"""How much of a proposal a reader changed."""

from __future__ import annotations

import numpy as np
import pytest

from sam_infer.imaging.volume import Mask
from sam_trainer.labels.edit_distance import Proposal, as_mask, edit_of, packed
from sam_trainer.synthetic.patients import grid

GRID = grid((20, 16, 6), (1, 1, 2))
NAMES = {1: "liver", 2: "spleen"}
EVERYWHERE = (slice(0, 20), slice(0, 16), slice(0, 6))


def mask(**boxes: tuple[slice, slice, slice]) -> Mask:
    found = Mask.empty(GRID)
    for value, box in zip((1, 2), boxes.values(), strict=False):
        found.array[box] = value
    return found


def on_slice(k: int) -> tuple[slice, slice, slice]:
    return EVERYWHERE[0], EVERYWHERE[1], slice(k, k + 1)


def one(label: str, proposed: Mask, value: int, region: tuple[slice, slice, slice]) -> Proposal:
    return packed(proposed, {label: value}, region)[0]


BOX = (slice(4, 14), slice(2, 12), slice(1, 4))


def test_a_proposal_survives_packing() -> None:
    proposed = mask(liver=BOX)
    liver = one("liver", proposed, 1, EVERYWHERE)
    assert liver.box == BOX and liver.nbytes == -(-300 // 8)
    np.testing.assert_array_equal(as_mask([liver], NAMES, GRID).array, proposed.array)
    nothing = one("spleen", proposed, 2, EVERYWHERE)
    assert not as_mask([nothing], NAMES, GRID).array.any()


def test_all_labels_of_a_map_at_once() -> None:
    proposed = mask(liver=BOX, spleen=(slice(15, 18), slice(2, 5), slice(2, 3)))
    found = packed(proposed, {"liver": 1, "spleen": 2, "aorta": 3}, EVERYWHERE, adapter="x")
    assert [(p.label, p.adapter) for p in found] == [("liver", "x"), ("spleen", "x"), ("aorta", "x")]
    np.testing.assert_array_equal(as_mask(found, NAMES, GRID).array, proposed.array)
    on_two = packed(proposed, {"spleen": 2}, on_slice(2))[0]
    assert on_two.box == (slice(15, 18), slice(2, 5), slice(2, 3))


def test_what_is_accepted_as_it_is_was_not_edited() -> None:
    edit = edit_of(mask(liver=BOX), NAMES, [one("liver", mask(liver=BOX), 1, EVERYWHERE)])
    assert edit is not None and (edit.distance, edit.voxels) == (0.0, 0)


def test_the_changed_share_of_what_either_marked() -> None:
    half = (slice(4, 9), BOX[1], BOX[2])
    edit = edit_of(mask(liver=half), NAMES, [one("liver", mask(liver=BOX), 1, EVERYWHERE)])
    assert edit is not None and (edit.distance, edit.voxels) == (0.5, 150)


def test_only_where_it_was_asked_and_the_newest_answer_counts() -> None:
    """The reader asked on slice 2, twice; slices 1 and 3 were drawn by hand."""
    first = one("liver", mask(liver=(slice(0, 2), BOX[1], BOX[2])), 1, on_slice(2))
    second = one("liver", mask(liver=BOX), 1, on_slice(2))
    edit = edit_of(mask(liver=BOX), NAMES, [first, second])
    assert edit is not None and edit.voxels == 0
    assert second.covers(first) and not one("liver", mask(liver=BOX), 1, on_slice(1)).covers(first)
    whole = one("liver", mask(liver=BOX), 1, EVERYWHERE)
    assert whole.covers(first) and not first.covers(whole)


@pytest.mark.parametrize("proposals", [[], [one("aorta", mask(liver=BOX), 1, EVERYWHERE)]])
def test_nobody_knows_where_nothing_was_proposed(proposals: list[Proposal]) -> None:
    assert edit_of(mask(liver=BOX), NAMES, proposals) is None


def test_a_proposal_on_one_slice_is_compared_on_that_slice() -> None:
    middle = (EVERYWHERE[0], EVERYWHERE[1], slice(BOX[2].start, BOX[2].start + 1))
    proposed = mask(liver=(BOX[0], BOX[1], middle[2]))
    found = one("liver", proposed, 1, middle)
    np.testing.assert_array_equal(as_mask([found], NAMES, GRID).array, proposed.array)
    edit = edit_of(mask(liver=BOX), NAMES, [found])
    assert edit is not None and edit.distance == 0  # what lies on other slices was not asked for
