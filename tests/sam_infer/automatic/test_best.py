"""Mode `best` puts together what several modes find: each label from its own, contested pixels to the surer mode."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from sam_infer.automatic.best import Chosen, Way, best_labels, labels_beside, seen_beside, unmeasured
from sam_infer.automatic.label_search import LabelMap, LabelSearch
from sam_infer.errors import PromptError
from sam_infer.imaging.volume import Mask, Volume
from sam_infer.slices.embedding_cache import EmbeddingCache
from sam_infer.slices.predictor import Predictor
from tests.conftest import BrightNetwork

ATLAS, DETECT = Way("atlas"), Way("detect")


@pytest.fixture
def search(network: BrightNetwork, l_phantom: tuple[Volume, Mask]) -> LabelSearch:
    volume = l_phantom[0]
    return LabelSearch(Predictor(network, EmbeddingCache()), volume, 2, range(3), ("liver", "lesion", "vessel"))


def found(search: LabelSearch, **rows: int) -> LabelMap:
    """Labels that begin on a row and have three of them."""
    mask = Mask.empty(search.volume.geometry)
    for name, row in rows.items():
        mask.array[row : row + 3] = search.labels.index(name) + 1
    return LabelMap(mask, dict.fromkeys(rows, 0.8), ("two on one slice",))


def test_each_label_is_taken_from_its_own_mode_and_the_surer_one_wins(search: LabelSearch) -> None:
    asked: list[tuple[str, Sequence[str]]] = []

    def find(way: Way, names: Sequence[str]) -> LabelMap:
        asked.append((way.name, names))
        return found(search, liver=0, lesion=10) if way == ATLAS else found(search, liver=20, lesion=2)

    chosen = {
        "liver": Chosen(ATLAS, "", 1.0),
        "lesion": Chosen(DETECT, "", 3.0),
        "vessel": Chosen(None, "a click", 2.0),
    }
    best = best_labels(search, chosen, find)
    assert sorted(asked) == [("atlas", ["liver"]), ("detect", ["lesion"])]
    rows = best.mask.array[:, 0, 0]
    assert np.flatnonzero(rows == 1).tolist() == [0, 1, 2] and np.flatnonzero(rows == 2).tolist() == [3, 4]
    assert set(best.scores) == {"liver", "lesion"} and best.chosen == chosen
    assert "vessel: not proposed, a click" in best.notes and not any("not found" in note for note in best.notes)


def test_a_mode_that_refuses_costs_its_labels_only(search: LabelSearch) -> None:
    def find(way: Way, names: Sequence[str]) -> LabelMap:
        if way == ATLAS:
            raise PromptError("needs slices", "mode")
        return found(search, lesion=2)

    chosen = {"liver": Chosen(ATLAS, ""), "lesion": Chosen(DETECT, ""), "vessel": Chosen(DETECT, "")}
    best = best_labels(search, chosen, find)
    assert set(best.scores) == {"lesion"} and "not found: liver, vessel" in best.notes
    assert any("atlas could not be asked for liver: needs slices" in note for note in best.notes)
    nothing = best_labels(search, {"liver": Chosen(ATLAS, "")}, find)
    assert not nothing.mask.array.any() and any("could not be asked" in note for note in nothing.notes)


def test_where_nothing_was_measured_a_rule_decides() -> None:
    rules = [unmeasured(cases, learned) for cases, learned in ((0, False), (1, False), (3, True))]
    assert [one.way and one.way.name for one in rules] == ["propose", "selfprompt heads=trained", "semantic"]
    assert all(one.why and "clicks" not in one.facts for one in rules)


def test_the_slice_beside_lends_its_labels_to_one_slice(search: LabelSearch) -> None:
    """Each label from the slice before; where that has none of it, from the slice after."""
    prior = Mask.empty(search.volume.geometry)
    prior.array[2:5, 2:5, 0], prior.array[8:9, 2:5, 2], prior.array[3:4, 3:4, 2] = 1, 2, 1
    one = replace(search, slices=range(1, 2))
    assert seen_beside(one, prior) == {"liver": 0, "lesion": 2} and seen_beside(search, prior) == {}
    found = labels_beside(one, prior)
    assert (found.mask.array[..., 1] == 1).sum() == 9 and (found.mask.array[..., 1] == 2).sum() == 3
    assert not found.mask.array[..., 0].any() and set(found.scores) == {"liver", "lesion"}
    assert not labels_beside(one, Mask.empty(search.volume.geometry)).mask.array.any()
