"""Warnings judged on accepted cases, as the server and the bench do."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from sam_infer.networks.backbone import Backbone
from sam_infer.slices.embedding_cache import EmbeddingCache
from sam_infer.slices.predictor import Predictor
from sam_infer.uncertainty.advice import SIGNS
from sam_trainer.judging.advice import BOX, CLICK, AdvisedAnswer, begun, judge, labels_of, worth
from sam_trainer.labels.cases import read_sources


def test_accepted_cases_say_what_warnings_are_worth(network: Backbone, small_studies: Path) -> None:
    cases = [case for source in read_sources(small_studies) for case in source.cases if source.name == "flat"]
    predictor = Predictor(network, EmbeddingCache())
    found = judge(predictor, cases, lambda: False)
    assert found is not None and found.answers == 2 * 4 * 2 and found.network == network.weights_id
    assert found.labels == labels_of(cases) != labels_of(cases[:1])
    assert not found.proven or found.bad >= 5
    assert judge(predictor, cases, lambda: True) is None  # a reader clicked, the server ended
    assert judge(predictor, [], lambda: False) is None


def test_a_sign_that_tells_is_proven() -> None:
    rng = np.random.default_rng(2)
    dices = rng.uniform(0.6, 1.0, 40)
    signs = np.column_stack([1 - dices, *rng.random((len(SIGNS) - 1, 40))])
    found = worth(
        [AdvisedAnswer(f"c{n}", BOX, d, s) for n, (d, s) in enumerate(zip(dices, signs, strict=True))], "net", "l"
    )
    assert found is not None and found.proven and found.bad == int((dices < 0.8).sum())
    assert float(found.risk.of(signs[dices.argmin()])) > found.threshold > float(found.risk.of(signs[dices.argmax()]))


def test_readers_begin_a_little_off() -> None:
    mask = np.zeros((60, 60), bool)
    mask[20:40, 20:40] = True
    rng = np.random.default_rng(1)
    box, click = begun(mask, BOX, rng), begun(mask, CLICK, rng)
    assert box.box is not None and np.abs(box.box - [[20, 20], [39, 39]]).max() <= 2
    assert click.box is None and mask[tuple(click.foreground[0])]
