"""Strategies: what they prefer, what they never do, what they say when they cannot decide."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sam_trainer.active.diversity import farthest, medoid, ranks, spread_draw
from sam_trainer.active.score_table import Scored
from sam_trainer.active.strategies import STRATEGIES, TURNED_AFTER, Pool, batch, choose
from sam_trainer.errors import TrainingError


def scored(
    case: str,
    value: float | None,
    looks: tuple[float, ...] = (1.0, 0.0),
    found: float = 1.0,
    labels: Mapping[str, float] | None = None,
    pull: tuple[float, ...] | None = None,
) -> Scored:
    return Scored(
        case, "none", "combined", 0, "2026-01-01", "x", value, labels or {}, {}, (3, 1), found, looks, pull or looks
    )


def pool(*entries: Scored, labelled: tuple[Scored, ...] = (), unscored: tuple[str, ...] = ()) -> Pool:
    names = tuple(entry.case for entry in entries) + unscored
    return Pool(names, {e.case: e for e in (*entries, *labelled)}, tuple(e.case for e in labelled))


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


@settings(max_examples=40, deadline=None)
@given(
    values=st.lists(st.one_of(st.none(), st.floats(0, 1)), min_size=1, max_size=8),
    seed=st.integers(0, 2**16),
    strategy=st.sampled_from(sorted(STRATEGIES)),
)
def test_whatever_is_known_an_unlabelled_candidate_comes_out(
    values: list[float | None], seed: int, strategy: str
) -> None:
    known = [scored(f"c{n}", v, (float(n), 1.0), v or 0.0) for n, v in enumerate(values)]
    found = choose(strategy, pool(*known, labelled=(scored("done", 0.9),), unscored=("bare",)), rng(seed))
    assert found is not None and found.case in {*(k.case for k in known), "bare"} and found.why


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_an_empty_pool_has_no_case_and_a_batch_no_case_twice(strategy: str) -> None:
    assert choose(strategy, Pool(()), rng()) is None
    cases = [scored(f"c{n}", 0.1 * n, (float(n), 1.0)) for n in range(5)]
    chosen = [choice.case for choice in batch(strategy, pool(*cases), 9, rng())]
    assert sorted(chosen) == [f"c{n}" for n in range(5)]


def test_doubt_decides_with_some_chance() -> None:
    cases = pool(scored("sure", 0.1), scored("fair", 0.5), scored("unsure", 0.9))
    drawn = Counter(choose("sam_uncertain", cases, rng(n)).case for n in range(300))
    assert drawn["unsure"] > 250 > 50 > drawn["fair"] > drawn["sure"]


def test_k_center_starts_in_the_middle_and_goes_far() -> None:
    points = np.array([[0.0, 0], [1, 0], [2, 0], [9, 0]])
    assert medoid(points) in (1, 2) and farthest(points, points[:0]) == medoid(points)
    assert farthest(points, points[[1]]) == 3
    near, far = scored("near", 0.9, (1.0, 0.1)), scored("far", 0.1, (-1.0, 0.0))
    found = choose("sam_diverse", pool(near, far, labelled=(scored("done", 0.5, (1.0, 0.0)),)), rng())
    assert found is not None and found.case == "far" and "least like" in found.why


def test_hybrid_turns_from_diversity_to_doubt() -> None:
    like_but_unsure = scored("unsure", 0.9, (0.5, 0.5))
    unlike_but_sure = scored("unlike", 0.1, (-1.0, 0.0))
    between = scored("between", 0.4, (0.4, 0.6))
    done = tuple(scored(f"d{n}", 0.5, (1.0, 0.01 * n)) for n in range(TURNED_AFTER))
    early = choose("sam_hybrid", pool(like_but_unsure, unlike_but_sure, between, labelled=done[:1]), rng())
    late = choose("sam_hybrid", pool(like_but_unsure, unlike_but_sure, between, labelled=done), rng())
    assert early is not None and late is not None
    assert (early.case, late.case) == ("unlike", "unsure")


def test_of_near_duplicates_of_labelled_cases_hybrid_takes_none() -> None:
    done = tuple(scored(f"d{n}", 0.5, (1.0, 0.0)) for n in range(TURNED_AFTER))
    copies = tuple(scored(f"copy{n}", 0.9, (1.0, 1e-6 * n)) for n in range(2))
    others = tuple(scored(f"new{n}", 0.3, (0.0, 1.0 + n)) for n in range(3))
    found = choose("sam_hybrid", pool(*copies, *others, labelled=done), rng())
    assert found is not None and found.case.startswith("new")


def test_badge_draws_by_squared_distance() -> None:
    points = np.array([[1.0, 0], [1.1, 0], [5, 0]])
    drawn = Counter(spread_draw(points, points[[0]], rng(n)) for n in range(200))
    assert drawn[2] > 190 and drawn[0] == 0
    assert spread_draw(points, points[:0], rng()) == 2  # the longest gradient first
    assert spread_draw(np.ones((3, 2)), np.ones((1, 2)), rng()) in range(3)


def test_the_structure_with_fewest_labels_comes_first() -> None:
    liver = scored("liver-case", 0.9, labels={"liver": 0.9})
    spleen = scored("spleen-case", 0.2, labels={"spleen": 0.2, "liver": 0.1})
    known = Pool(
        ("liver-case", "spleen-case"), {"liver-case": liver, "spleen-case": spleen}, (), {"liver": 7, "spleen": 1}
    )
    found = choose("sam_classbalanced", known, rng())
    assert found is not None and found.case == "spleen-case" and "spleen has 1 labels" in found.why


def test_random_fg_draws_only_where_something_was_found() -> None:
    cases = pool(scored("empty", 0.9, found=0.0), scored("a", 0.1), scored("b", 0.1), unscored=("bare",))
    drawn = Counter(choose("sam_random_fg", cases, rng(n)).case for n in range(200))
    assert set(drawn) == {"a", "b"} and min(drawn.values()) > 70


def test_what_cannot_decide_says_who_stood_in() -> None:
    embedded = pool(scored("typical", None, (1.0, 0.0)), scored("odd", None, (0.0, 9.0)), scored("too", None, (1, 1)))
    found = choose("sam_uncertain", embedded, rng())
    assert found is not None and found.strategy == "sam_diverse" and "no label is accepted yet" in found.why
    waiting = pool(*embedded.scores.values(), labelled=(scored("done", 0.5),))
    found = choose("sam_uncertain", waiting, rng())
    assert found is not None and "waits for new scores" in found.why
    bare = choose("sam_random_fg", pool(scored("empty", 0.9, found=0.0)), rng())
    assert bare is not None and "nothing was found in the scored cases" in bare.why
    bare = choose("sam_hybrid", Pool(("a", "b")), rng())
    assert bare is not None and bare.strategy == "random" and "no case is scored yet" in bare.why
    with pytest.raises(TrainingError, match="strategy must be one of sam_hybrid"):
        choose("best", Pool(("a",)), rng())


def test_cases_that_were_scored_before_the_first_label_are_not_called_unscored() -> None:
    """`samlabel next` said "no case has a score for sam_hybrid yet" right after `samlabel score`."""
    embedded = pool(scored("typical", None, (1.0, 0.0)), scored("odd", None, (0.0, 9.0)), scored("too", None, (1, 1)))
    found = choose("sam_hybrid", embedded, rng())
    assert found is not None and found.strategy == "sam_hybrid" and found.case in ("typical", "too")
    assert found.why == "it is the most typical case: a good start"


def test_ranks_share_ties() -> None:
    np.testing.assert_allclose(ranks(np.array([3.0, 1.0, 3.0, 9.0])), [0.5, 0.0, 0.5, 1.0])
