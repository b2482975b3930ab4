"""A label's name becomes a box: where accepted cases have it, and there where the head sees it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from sam_infer.automatic.example import AcceptedCase
from sam_infer.automatic.label_search import LabelSearch
from sam_infer.automatic.taught.box_head import Found
from sam_infer.imaging.volume import Mask, Volume
from sam_infer.slices.embedding_cache import EmbeddingCache
from sam_infer.slices.predictor import Predictor
from sam_infer.spoken.learned_boxes import LearnedBoxes
from sam_infer.spoken.text_to_box import Query, plugged
from sam_trainer.synthetic.patients import grid
from tests.samlabel.region_growing import RegionGrowing

SEEN: dict[int, list[Found]] = {}


def two_boxes(shift: int = 0) -> AcceptedCase:
    array = np.zeros((64, 64, 10), np.int16, order="F")
    truth = np.zeros(array.shape, np.uint8, order="F")
    array[4:60, 4:60] = 100
    truth[10 + shift : 22 + shift, 12:24, 2:8], truth[40:52, 36 + shift : 48 + shift, 3:7] = 1, 2
    array[truth > 0] = 400
    geometry = grid(array.shape, (2, 2, 4))
    return AcceptedCase(Volume(array, geometry, "MR"), Mask(truth, geometry))


@pytest.fixture
def head(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[int, list[Found]]]:
    """What a trained head would see on each slice."""
    SEEN.clear()
    monkeypatch.setattr(
        "sam_infer.spoken.learned_boxes.boxes_on", lambda search, cases, index, finest: SEEN.get(index, [])
    )
    yield SEEN


def located(label: str = "first", index: int | None = None, cases: int = 2) -> tuple[Any, Any]:
    new = two_boxes(3)
    predictor = Predictor(RegionGrowing("encoder"), EmbeddingCache())
    search = LabelSearch(predictor, new.volume, 2, range(10), ("first", "second"))
    detector = LearnedBoxes(search, lambda: [two_boxes(n) for n in range(cases)], {})
    return new, detector.locate(Query(label, new.volume, 2, index))


def test_the_head_says_where_on_the_slice_and_the_prior_where_to_look(head: dict[int, list[Found]]) -> None:
    geometry = two_boxes().volume.geometry
    view = two_boxes(3).volume.view(2, 5)
    corners = view.to_display(np.array([[13, 12, 5], [24, 23, 5]]))
    (y0, x0), (y1, x1) = corners.min(0), corners.max(0) + 1
    far = Found(0, (0.0, 0.0, 4.0, 4.0), 0.99)
    head[5] = [far, Found(1, (x0, y0, x1, y1), 0.9), Found(0, (x0, y0, x1, y1), 0.6)]
    _, found = located()
    assert (
        found.index == 5 and found.on_slice.low.tolist() == [13, 12, 5] and found.on_slice.high.tolist() == [24, 23, 5]
    )
    assert 0.4 < found.score <= 0.6 and "2 accepted cases" in found.why and geometry.contains(found.around.low)


def test_where_the_head_sees_nothing_the_prior_answers_and_says_so(head: dict[int, list[Found]]) -> None:
    new, found = located()
    there = np.argwhere(new.labels.array == 1)
    assert found.score == 0 and "look at it" in found.why
    assert np.abs(found.around.low - there.min(0)).max() <= 3 and np.abs(found.around.high - there.max(0)).max() <= 3
    assert located(index=3)[1].index == 3  # the slice that the reader sees
    assert located(index=9)[1].index == 4  # where it cannot be


def test_what_no_case_shows_is_not_found(head: dict[int, list[Found]]) -> None:
    assert located("third")[1] is None and located(cases=0)[1] is None


def test_a_team_plugs_in_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    class Entry:
        name = "theirs"

        def load(self) -> type:
            return dict

    monkeypatch.setattr("sam_infer.spoken.text_to_box.entry_points", lambda group: [Entry()])
    plugged.cache_clear()
    assert plugged() == ({},)
    monkeypatch.undo()
    plugged.cache_clear()
    assert plugged() == ()
