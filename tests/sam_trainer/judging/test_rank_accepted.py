"""A ranker follows accepted labels when there are enough, and never to the worse."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from sam_infer.networks.tiny.backbone import TinyBackbone
from sam_infer.slices.embedding_cache import EmbeddingCache
from sam_infer.slices.predictor import Predictor
from sam_infer.weights.prompting import PLAIN, Ranker
from sam_trainer.judging import rank_accepted
from sam_trainer.judging.rank_accepted import LEAST_CASES, calibrated_ranker
from sam_trainer.labels.cases import read_sources
from sam_trainer.labels.round import HELD_OUT, AcceptedLabel, part_of
from tests.small_studies import flat_case

pytestmark = pytest.mark.usefixtures("one_thread")


def test_enough_accepted_labels_tell_sizes_and_too_few_change_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rank_accepted, "OBJECTS", 1)
    names = [f"case{n}" for n in range(30)]
    learning = [name for name in names if part_of(name) != HELD_OUT][:LEAST_CASES]
    for n, name in enumerate([*learning, next(name for name in names if part_of(name) == HELD_OUT)]):
        flat_case(tmp_path, name, n)
    accepted = [AcceptedLabel(case) for case in read_sources(tmp_path)[0].cases]
    backbone = TinyBackbone.embedded()
    backbone.prompting = replace(PLAIN, ranker=Ranker({"score": 1.0}))
    predictor = Predictor(backbone, EmbeddingCache())
    few = [one for one in accepted if part_of(one.case.name) != HELD_OUT][: LEAST_CASES - 1]
    assert calibrated_ranker(predictor, few) is None
    found = calibrated_ranker(predictor, accepted)
    assert found is not None and found.cases == LEAST_CASES + 1
    assert sum(sizes.objects for sizes in found.sizes.values()) == LEAST_CASES
    monkeypatch.setattr(rank_accepted, "mean_dice", lambda offered, ranker: 0.5 if ranker.cases else 0.6)
    assert calibrated_ranker(predictor, accepted) is None
    backbone.prompting = PLAIN
    assert calibrated_ranker(predictor, accepted) is None
