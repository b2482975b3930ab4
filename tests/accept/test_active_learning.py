"""The promises of active learning, measured on the frozen pools with the real loop. Minutes each."""

from __future__ import annotations

import time
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest

from sam_infer.models.load import BaseNetwork, load_backbone, load_network
from sam_infer.slices.embedding_cache import EmbeddingCache
from sam_infer.slices.predictor import Predictor
from sam_trainer.active.benefit import Benefit, Comparison
from sam_trainer.active.score_table import Scored
from sam_trainer.active.served import ACTIVE, CONTROL
from sam_trainer.active.strategies import Pool, batch
from sam_trainer.bench import uncertainty
from sam_trainer.bench.learning.project import LoopConfig
from sam_trainer.bench.learning.projects import LoopOrder, Played, play, pool_roles, summary
from sam_trainer.bench.uncertainty_run import graded_questions
from sam_trainer.judging.calibrate import calibrate
from sam_trainer.labels.cases import Case
from sam_trainer.labels.round import AcceptedLabel
from sam_trainer.simulation.reader import SimulatedReader
from sam_trainer.synthetic.pools import CANDIDATE, JUDGE, TEST, WATCH, pool, write_pool
from tests.accept.result_rows import ACTIVE_LEARNING

pytestmark = [pytest.mark.accept, pytest.mark.timeout(3600)]


@pytest.fixture(scope="module")
def started() -> float:
    """When these tests began."""
    return time.time()


def test_doubt_follows_the_true_error_on_sixty_volumes(started: float) -> None:
    with graded_questions(0) as questions:
        found = uncertainty.measure(load_backbone("tiny"), questions, slices=2)
    assert len(found.volumes) == 60 and not found.left_out
    value, low, high = uncertainty.correlation(found.volumes, "combined")
    ACTIVE_LEARNING.add(
        {
            "what": "Spearman of volume score and true error",
            "volumes": len(found.volumes),
            "value": round(value, 4),
            "ci_low": round(low, 4),
            "ci_high": round(high, 4),
        },
        started,
    )
    assert value >= 0.5 and low > 0.2


def test_a_temperature_makes_held_out_probabilities_truer(tmp_path: Path, started: float) -> None:
    write_pool(pool("imbalanced", 0), tmp_path / "pool")
    roles = pool_roles(tmp_path / "pool")
    accepted = [AcceptedLabel(case) for role in (CANDIDATE, JUDGE, TEST) for case in roles[role][:12]]
    found = calibrate(Predictor(load_backbone("tiny"), EmbeddingCache()), accepted)
    ACTIVE_LEARNING.add({"what": "temperature scaling", "adapter": "none", **found.row()}, started)
    assert found.held_out >= 12 and found.ece_before is not None and found.ece_after is not None
    assert found.ece_after < found.ece_before


@pytest.fixture(scope="module")
def roles(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Case]]:
    return pool_roles(write_pool(pool("imbalanced", 0), tmp_path_factory.mktemp("pool") / "studies"))


@pytest.fixture(scope="module")
def base() -> BaseNetwork:
    return load_network("tiny")


@pytest.fixture(scope="module")
def oracle(roles: dict[str, list[Case]], base: BaseNetwork) -> dict[str, float]:
    """What nobody knows beforehand: how wrong the first answer is."""
    predictor, reader = Predictor(base.backbone(), EmbeddingCache()), SimulatedReader(most=1)
    return {case.name: 1.0 - reader.label(predictor, case, largest_only=True).first_dice for case in roles[CANDIDATE]}


def worth_of(scores: dict[str, float], roles: dict[str, list[Case]], base: BaseNetwork, home: Path) -> Benefit:
    """The worth of four cases that a scorer chose, against four drawn ones."""
    rng = np.random.default_rng(0)
    cases = {case.name: case for case in roles[CANDIDATE]}
    drawn = [str(name) for name in rng.permutation(sorted(cases))[:4]]
    known = {
        name: Scored(name, "none", "oracle", 0, "", "", value, {}, {}, (), 1.0, (), ())
        for name, value in scores.items()
    }
    left = Pool(tuple(name for name in cases if name not in drawn), known)
    chosen = [choice.case for choice in batch("sam_uncertain", left, 4, rng)]
    arms = {**dict.fromkeys(drawn, CONTROL), **dict.fromkeys(chosen, ACTIVE)}
    accepted = [
        AcceptedLabel(case)
        for case in (*(cases[n] for n in (*drawn, *chosen)), *roles[WATCH], *roles[JUDGE], *roles[TEST])
    ]
    return Comparison(base, LoopConfig().train, home, draws=3).measure(accepted, arms)


def test_an_oracle_shows_benefit(
    roles: dict[str, list[Case]], base: BaseNetwork, oracle: dict[str, float], tmp_path: Path, started: float
) -> None:
    worth = worth_of(oracle, roles, base, tmp_path)
    ACTIVE_LEARNING.add(
        {"what": "control arm, scored by an oracle", **asdict(worth), "falls_back": worth.falls_back}, started
    )
    assert worth.verdict == "gain" and not worth.falls_back, worth.sentence


def test_noise_shows_none_and_the_fallback_fires(
    roles: dict[str, list[Case]], base: BaseNetwork, oracle: dict[str, float], tmp_path: Path, started: float
) -> None:
    values = np.random.default_rng(0).random(len(oracle))
    worth = worth_of(dict(zip(oracle, values.tolist(), strict=True)), roles, base, tmp_path)
    ACTIVE_LEARNING.add(
        {"what": "control arm, scored by noise", **asdict(worth), "falls_back": worth.falls_back}, started
    )
    assert worth.verdict != "gain" and worth.falls_back, worth.sentence
    worth.write(tmp_path)
    assert Benefit.read(tmp_path).falls_back


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> list[Played]:
    order = LoopOrder(strategies=("sam_hybrid", "random"), pools=("homogeneous",), seeds=1)
    return play(order, tmp_path_factory.mktemp("loop"))


def test_the_loop_pays(played: list[Played], started: float) -> None:
    """Clicks per case to Dice 0.9 on cases that nobody labels, over five rounds of the real loop."""
    for one in played:
        ACTIVE_LEARNING.add(
            {
                "what": f"five rounds of {one.strategy} on the pool {one.pool}",
                "seed": one.seed,
                "clicks_per_case": [round(r.test_clicks, 3) for r in one.rounds],
                "first_dice": [round(r.test_dice, 4) for r in one.rounds],
                "cases": [r.cases for r in one.rounds],
                "promoted": [r.promoted for r in one.rounds[1:]],
                "fall": round(one.fall, 4),
                "cpu_seconds": round(one.cpu_seconds, 1),
            },
            started,
        )
        assert len(one.rounds) == 6 and one.rounds[-1].cases == 15
        assert one.fall >= 0.3, one.rows()


def test_strategies_are_paired_and_no_case_is_labelled_twice(played: list[Played]) -> None:
    first, second = played
    assert first.rounds[0].test_clicks == second.rounds[0].test_clicks
    for one in played:
        chosen = [name for round_ in one.rounds for name in round_.chosen]
        assert len(chosen) == len(set(chosen)) == 15
    rows = summary([*played, *(replace(one, seed=1) for one in played)], "sam_hybrid")
    (over_cases,) = [row for row in rows if row["measure"] == "clicks saved per case over cases"]
    assert over_cases["n"] == 2 and over_cases["verdict"] in ("gain", "no gain", "loss")
