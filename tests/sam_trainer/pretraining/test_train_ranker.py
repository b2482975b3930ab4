"""Scenes become clicks with candidates; what is fitted comes with what it is worth."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from sam_infer.networks.tiny.backbone import TinyBackbone
from sam_trainer.pretraining.train_ranker import train_ranker

pytestmark = pytest.mark.usefixtures("one_thread")


def test_a_few_scenes_make_a_ranker_and_the_same_one_again() -> None:
    backbone = TinyBackbone.embedded()
    first = train_ranker(backbone, 6, seed=3)
    assert first.objects >= 5 and set(first.figures) == {"own", "ranked", "best"}
    assert first.figures["best"] >= max(first.figures["own"], first.figures["ranked"])
    assert first.prompting.feeds_back == backbone.prompting.feeds_back
    # the same scenes again: more were wanted, and somebody asked for an end after so many
    assert train_ranker(backbone, 50, seed=3, should_stop=_after(6)) == first


def _after(calls: int) -> Callable[[], bool]:
    left = iter(range(calls))
    return lambda: next(left, None) is None
