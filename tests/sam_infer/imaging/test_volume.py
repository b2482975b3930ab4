"""What a label map says about itself, whatever the order of its voxels in memory."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pytest

from sam_infer.imaging.geometry import Geometry
from sam_infer.imaging.volume import Mask

GRID = Geometry((6, 7, 8), np.eye(4))


@pytest.mark.parametrize("order", ["F", "C"])
def test_values_and_the_box_around_them(order: Literal["F", "C"]) -> None:
    array = np.zeros(GRID.shape, np.uint8)
    array[1:3, 2, 5] = 7
    array[4, 3, 2] = 255
    mask = Mask(np.asarray(array, order=order), GRID)
    assert mask.values() == [7, 255]
    assert mask.marked_box() == (slice(1, 5), slice(2, 4), slice(2, 6))


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1), (1, 2, 0)])
def test_any_voxel_is_its_own_box(order: tuple[int, int, int]) -> None:
    for place in ((0, 0, 0), (5, 6, 7), (3, 0, 6)):
        stored = np.zeros([GRID.shape[a] for a in order], np.uint8)
        array = stored.transpose(np.argsort(order))
        array[place] = 1
        assert Mask(array, GRID).marked_box() == tuple(slice(n, n + 1) for n in place)


def test_nothing_is_nothing() -> None:
    empty = Mask.empty(GRID)
    assert empty.values() == [] and not empty.array[empty.marked_box()].size
