"""Which slice a request means."""

from __future__ import annotations

import numpy as np
import pytest

from sam_infer.errors import PromptError
from sam_infer.imaging.geometry import Geometry
from sam_infer.imaging.itk_image import LPS_TO_RAS
from sam_infer.imaging.volume import Mask
from sam_infer.prompts.object_prompts import Box
from sam_infer.prompts.slice_index import Marks, choose_slice

GRID = Geometry((30, 20, 10), LPS_TO_RAS)
NONE = np.zeros((0, 3), np.int64)
BOX = Box(np.array([0, 0, 3]), np.array([9, 9, 8]))


def at(*slices: int) -> np.ndarray:
    return np.array([[5, 5, k] for k in slices], np.int64).reshape(-1, 3)


def prior(*slices: int) -> Mask:
    mask = Mask.empty(GRID)
    for size, k in enumerate(slices, 1):
        mask.array[:size, 0, k] = 1
    return mask


@pytest.mark.parametrize(
    ("wish", "marks", "expected"),
    [
        (4, Marks(at(2, 4), NONE), 4),
        (5, Marks(at(4, 2), NONE), 2),
        (None, Marks(at(4, 2), at(9)), 2),
        (99, Marks(at(4), NONE), 4),
        (-1, Marks(at(4), NONE), 4),
        (7, Marks(NONE, NONE, BOX), 7),
        (9, Marks(NONE, NONE, BOX), 5),
        (None, Marks(NONE, at(6), BOX), 6),
        (None, Marks(NONE, at(9), BOX), 5),
        (None, Marks(NONE, NONE, None, prior(2, 6)), 6),
        (2, Marks(NONE, NONE, None, prior(2, 6)), 2),
        (3, Marks(NONE, NONE, None, prior(2, 6)), 6),
        (None, Marks(NONE, at(3, 1)), 1),
        (3, Marks(NONE, at(3, 1)), 3),
    ],
)
def test_choice(wish: int | None, marks: Marks, expected: int) -> None:
    index, notes = choose_slice(GRID, 2, wish, marks)
    assert index == expected
    assert any(str(wish) in note for note in notes) == (wish is not None and wish != expected)


def test_other_axes() -> None:
    assert choose_slice(GRID, 0, None, Marks(np.array([[12, 3, 4]]), NONE))[0] == 12
    assert choose_slice(GRID, 1, 3, Marks(np.array([[12, 3, 4]]), NONE))[0] == 3


def test_what_is_left_aside_is_said() -> None:
    _, notes = choose_slice(GRID, 2, None, Marks(at(1, 9), at(9, 2), BOX))
    assert len(notes) == 2 and "2 of 4" in notes[0] and "roi" in notes[1]


@pytest.mark.parametrize("marks", [Marks(NONE, NONE), Marks(NONE, NONE, None, Mask.empty(GRID))])
def test_nothing_to_go_by(marks: Marks) -> None:
    with pytest.raises(PromptError, match="foreground"):
        choose_slice(GRID, 2, 3, marks)
