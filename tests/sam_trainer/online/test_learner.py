"""A learner: asks before it learns, repeats itself, and forgets by being made anew."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from sam_trainer.online.fusion import LAST
from sam_trainer.online.learner import Learner, rebuilt


def same(one: Learner, other: Learner) -> bool:
    mine, theirs = one.network.state_dict(), other.network.state_dict()
    return all(torch.equal(mine[name], theirs[name]) for name in mine)


def test_it_begins_with_what_the_network_says(sample) -> None:
    first, learner = sample(1), Learner()
    assert np.array_equal(learner.says(first.picture, first.logits), first.logits) and learner.share == 1.0


def test_a_mistake_that_comes_back_is_learned_and_known_before_it_is_taught(sample) -> None:
    learner = Learner()
    for number in range(1, 11):
        learner.accept([sample(number)])
        assert number >= LAST or learner.share == 1.0
    assert learner.share <= 0.5
    new = sample(99)
    said = learner.says(new.picture, new.logits) > 0
    alone = new.logits > 0
    assert (said != new.truth).sum() < 0.5 * (alone != new.truth).sum()


def test_the_same_labels_make_the_same_learner_and_one_less_another(sample, monkeypatch) -> None:
    monkeypatch.setattr("sam_trainer.online.learner.STEPS", 1)
    learned = rebuilt([sample(n) for n in range(1, 5)], record=4)
    again = rebuilt([sample(n) for n in range(1, 5)], record=4)
    assert same(learned, again) and all(map(np.array_equal, learned.curves, again.curves))
    less = rebuilt([s for s in learned.samples if s.case != "case3"], learned.record)
    assert not same(learned, less)
    assert same(less, rebuilt([sample(n) for n in (1, 2, 4)], record=4)) and less.record == 4


def test_objects_of_one_case_are_asked_before_any_is_learned(sample) -> None:
    learner = Learner()
    learner.accept([replace(sample(n, "case"), record=6) for n in range(1, 7)])
    assert learner.taught == 6 and learner.share == 1.0  # nobody knows yet whether another case is alike
    assert all(curve.min() == curve.max() for curve in learner.curves)
    assert same(learner, rebuilt(learner.samples, 6))


def test_the_queue_is_bounded_and_work_comes_in_pieces(sample, monkeypatch) -> None:
    monkeypatch.setattr("sam_trainer.online.learner.STEPS", 1)
    monkeypatch.setattr("sam_trainer.online.learner.QUEUE", 6)
    pieces = []
    learner = Learner()
    for number in range(1, 9):
        learner.accept([sample(number)], lambda: pieces.append(1))
    assert len(learner.samples) == 6 and learner.samples[0].case == "case3" and learner.taught == 8
    assert len(pieces) == 2 * (4 + 4 * 2)  # forth, and back
