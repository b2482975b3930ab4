"""The ranker learns which features tell, and is held to where it starts from."""

from __future__ import annotations

import numpy as np
import pytest

from sam_infer.weights.prompting import Ranker, Sizes
from sam_trainer.judging.rank_fit import FEATURES, Offered, fitted, mean_dice, sizes_of


def objects(count: int, seed: int = 0) -> list[Offered]:
    """The network scores the whole picture highest; what lies along no border is right."""
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(count):
        right = int(rng.integers(3))
        known = tuple(
            {"raw_score": 0.5 + 0.1 * n, "score": 0.5 + 0.1 * n, "border": float(n != right), "log_mm2": 3.0 + n}
            for n in range(3)
        )
        found.append(Offered(known, np.where(np.arange(3) == right, 0.9, 0.2), "a", 3.0 + right))
    return found


def test_a_fit_finds_what_tells() -> None:
    learning, judging = objects(60), objects(40, 1)
    ranker = fitted(learning)
    assert set(ranker.weights) == set(FEATURES) and ranker.weights["border"] < -0.5
    assert mean_dice(judging, ranker) == pytest.approx(0.9)
    assert mean_dice(judging, None) < 0.6


def test_a_few_objects_move_a_shipped_ranker_little() -> None:
    start = Ranker({"score": 1.0, "contrast": 0.7})
    little, much = (fitted(objects(count), start).weights["border"] for count in (1, 200))
    assert much < little < 0 and fitted(objects(3), start).weights["contrast"] == pytest.approx(0.7)


def test_sizes_are_of_labels_and_count_where_they_are_known() -> None:
    sizes = sizes_of(objects(30))
    assert list(sizes) == ["a"] and sizes["a"].objects == 30 and 3.5 < sizes["a"].mean < 4.5
    told = objects(1)[0].with_sizes(Sizes(3.0, 0.5, 4))
    assert [one["unlikely_size"] for one in told.known] == [0.0, 2.0, 4.5]
    assert objects(1)[0].with_sizes(None).known == objects(1)[0].known
