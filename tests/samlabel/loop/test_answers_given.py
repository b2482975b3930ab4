"""Which of a server's answers a saved label is compared with."""

from __future__ import annotations

import numpy as np
import pytest

from sam_infer.imaging.volume import Mask
from sam_trainer.labels.edit_distance import as_mask
from sam_trainer.synthetic.patients import grid
from samlabel.access.identity import acting_as
from samlabel.loop.answers_given import AnswersGiven

GRID = grid((12, 10, 6), (1, 1, 2))
NAMES = {1: "liver", 2: "spleen"}
ALL = {"liver": 1, "spleen": 2}


def mask(value: int, at: int) -> Mask:
    found = Mask.empty(GRID)
    found.array[at : at + 3, 2:5, 2:4] = value
    return found


def on_slice(label: str, k: int) -> dict[str, object]:
    return {"label_names": {label: 1}, "axis": "k", "slice": k, "model": "tiny", "adapter": "none"}


def kept(proposals: AnswersGiven, image: str = "a") -> np.ndarray:
    return as_mask(proposals.of(image).proposals, NAMES, GRID).array


def test_clicks_on_two_slices_and_a_correction_of_one() -> None:
    proposals = AnswersGiven()
    proposals.note("a", mask(1, 0), {"foreground": [[1, 3, 2]]}, on_slice("liver", 2))
    proposals.note("a", mask(1, 5), {"foreground": [[1, 3, 3]]}, on_slice("liver", 3))
    proposals.note(
        "a", mask(1, 7), {"foreground": [[8, 3, 2], [9, 3, 2]], "roi": [7, 9, 2, 4, 2, 2]}, on_slice("liver", 2)
    )
    expected = Mask.empty(GRID).array
    expected[7:10, 2:5, 2] = expected[5:8, 2:5, 3] = 1
    np.testing.assert_array_equal(kept(proposals), expected)
    facts = proposals.of("a").facts()
    assert (facts["clicks"], facts["model"], facts["adapter"]) == (1 + 3, "tiny", "none")
    proposals.forget("a")
    assert proposals.of("a").facts() == {}


@pytest.mark.parametrize("request_", [{"label_prompt": [2]}, {"spleen": [[6, 3, 2]]}, {}])
def test_a_label_that_a_map_does_not_show_keeps_its_proposal(request_: dict[str, object]) -> None:
    proposals = AnswersGiven()
    proposals.note("a", mask(1, 0), {"foreground": [[1, 3, 2]]}, on_slice("liver", 2))
    before = kept(proposals)
    proposals.note("a", mask(2, 6), request_, {"label_names": ALL})
    np.testing.assert_array_equal(kept(proposals) == 1, before == 1)
    assert (kept(proposals) == 2).sum() == 18


def test_readers_and_images_are_kept_apart_and_the_oldest_forgotten() -> None:
    """An answer of nine voxels takes two bytes: two answers fit, three do not."""
    proposals = AnswersGiven(most_bytes=5)
    with acting_as("ann"):
        proposals.note("a", mask(1, 0), {}, on_slice("liver", 2))
    proposals.note("a", mask(1, 5), {}, on_slice("liver", 2))
    with acting_as("ann"):
        assert kept(proposals)[0, 2, 2] == 1 and kept(proposals)[5, 2, 2] == 0
    proposals.note("b", mask(1, 5), {}, on_slice("liver", 2))
    assert len(proposals.of("a").proposals) == len(proposals.of("b").proposals) == 1
    with acting_as("ann"):
        assert proposals.of("a").proposals == []
