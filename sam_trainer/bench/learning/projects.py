"""Active-learning bench: whole simulated projects by several strategies on the same pools, paired by seed.

Every project is a process-sized job; several run side by side, each on one thread. The embeddings of a pool are
shared: an encoder that nobody trains answers the same for all.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from time import process_time
from typing import Any

import numpy as np

from sam_infer.models.load import load_network
from sam_trainer.bench.learning.project import LoopConfig, Project, RoundResult
from sam_trainer.bench.learning.side_by_side import side_by_side
from sam_trainer.errors import TrainingError
from sam_trainer.labels.cases import Case, read_sources
from sam_trainer.labels.round import part_of
from sam_trainer.measures.paired import Difference, area_under, difference
from sam_trainer.reports.journal import Journal
from sam_trainer.reports.table import Row
from sam_trainer.synthetic.pools import CANDIDATE, JUDGE, PARTS, POOLS, TEST, WATCH, name_for, pool, write_pool

BUDGETS = ("cases", "slices", "clicks", "minutes")

# Of a labelled folder: so much measures the outcome, judges and validates; the rest may be chosen.
SHARES = {TEST: 0.3, JUDGE: 0.15, WATCH: 0.1}
FEWEST = {TEST: 3, JUDGE: 3, WATCH: 1}


@dataclass(frozen=True)
class LoopOrder:
    """What is compared on what."""

    strategies: tuple[str, ...] = ("sam_hybrid", "sam_random_fg", "random")
    pools: tuple[str, ...] = POOLS
    seeds: int = 5
    first_seed: int = 0
    workers: int = 2
    studies: Path | None = None  # a labelled folder instead of the pools
    config: LoopConfig = field(default_factory=LoopConfig)
    limit: int | None = None  # cases that may be chosen; None: all of a pool


@dataclass(frozen=True)
class Played:
    """One project that is over."""

    pool: str
    strategy: str
    seed: int
    rounds: tuple[RoundResult, ...]
    cpu_seconds: float

    def rows(self) -> list[Row]:
        """One per round."""
        return [
            {
                "pool": self.pool,
                "strategy": self.strategy,
                "seed": self.seed,
                "round": r.round,
                "cases": r.cases,
                "slices": r.slices,
                "clicks": r.clicks,
                "minutes": round(r.minutes, 2),
                "clicks_per_case": round(r.test_clicks, 4),
                "dice": round(r.test_dice, 4),
                "promoted": r.promoted,
                "chosen": list(r.chosen),
            }
            for r in self.rounds
        ]

    @classmethod
    def read(cls, plain: Mapping[str, Any]) -> Played:
        """What `asdict` gave, after JSON."""
        rounds = tuple(RoundResult(**{**one, "chosen": tuple(one["chosen"])}) for one in plain["rounds"])
        return cls(**{**plain, "rounds": rounds})

    @property
    def fall(self) -> float:
        """How much fewer clicks the last round needs than the first, as a share."""
        return 1.0 - self.rounds[-1].test_clicks / max(self.rounds[0].test_clicks, 1e-9)


def play(
    order: LoopOrder, folder: Path, told: Callable[[Played], None] = lambda _: None, journal: Journal | None = None
) -> list[Played]:
    """Every project of an order, in the order of pools, seeds and strategies; `folder` keeps pools and projects."""
    pools = (order.studies.name,) if order.studies is not None else order.pools
    jobs = {}
    for name in pools:
        for seed in range(order.first_seed, order.first_seed + order.seeds):
            place = folder / f"{name}-{seed}"
            if order.studies is None:
                write_pool(pool(name, seed), place / "studies")
            for strategy in order.strategies:
                jobs[f"{name} {strategy} seed {seed}"] = (name, strategy, seed, place, order)
    found = side_by_side(jobs, _play_one, order.workers, journal or Journal(), lambda plain: told(Played.read(plain)))
    return [Played.read(plain) for plain in found]


def _play_one(job: tuple[str, str, int, Path, LoopOrder]) -> dict[str, Any]:
    name, strategy, seed, place, order = job
    started = process_time()
    home = place / strategy
    shutil.rmtree(home, ignore_errors=True)  # half a project of an interrupted run
    home.mkdir(parents=True)
    shared = place.parent / "embeddings"
    shared.mkdir(exist_ok=True)
    (home / "embeddings").symlink_to(shared.resolve(), target_is_directory=True)
    roles = pool_roles(place / "studies") if order.studies is None else folder_roles(order.studies, seed)
    roles[CANDIDATE] = roles[CANDIDATE][: order.limit]
    project = Project(roles, home, load_network(order.config.train.model), order.config)
    rounds = tuple(project.run(strategy, seed))
    return asdict(Played(name, strategy, seed, rounds, process_time() - started))


def pool_roles(folder: Path) -> dict[str, list[Case]]:
    """The cases of a pool by role, which their names say."""
    cases = read_sources(folder)[0].cases
    roles: dict[str, list[Case]] = {role: [] for role in PARTS}
    for case in cases:
        role = next((role for role in (JUDGE, WATCH, TEST) if f"-{role}-" in case.name), CANDIDATE)
        roles[role].append(case)
    return roles


def folder_roles(folder: Path, seed: int) -> dict[str, list[Case]]:
    """The cases of any labelled folder, shared out by seed; names are made to fit the role's part of the split."""
    cases = [case for source in read_sources(folder) for case in source.cases]
    needed = sum(FEWEST.values()) + 1
    if len(cases) < needed:
        raise TrainingError(f"{folder} has {len(cases)} labelled cases, at least {needed} are needed", "studies")
    order = np.random.default_rng((seed, 5)).permutation(len(cases))
    roles: dict[str, list[Case]] = {}
    start = 0
    for role, share in SHARES.items():
        count = max(FEWEST[role], round(share * len(cases)))
        roles[role] = [_alias(cases[n], role) for n in order[start : start + count]]
        start += count
    roles[CANDIDATE] = [_alias(cases[n], CANDIDATE) for n in order[start:]]
    return roles


def _alias(case: Case, role: str) -> Case:
    part = PARTS[role]
    return case if part_of(case.name) == part else Case(**{**vars(case), "name": name_for(case.name, part)})


def summary(played: Sequence[Played], favourite: str) -> list[Row]:
    """Areas and what the favourite saves against every rival, per pool and budget; falls from the first round."""
    rows: list[Row] = []
    for name in dict.fromkeys(one.pool for one in played):
        here = [one for one in played if one.pool == name]
        for strategy in dict.fromkeys(one.strategy for one in here):
            own = [one for one in here if one.strategy == strategy]
            first, last = (round(float(np.mean([one.rounds[at].test_clicks for one in own])), 3) for at in (0, -1))
            fall = _facts(difference([one.fall for one in own]))
            rows.append(
                {
                    "source": "mean",
                    "pool": name,
                    "strategy": strategy,
                    "measure": "fall of clicks per case",
                    **fall,
                    "first": first,
                    "last": last,
                }
            )
        for rival in dict.fromkeys(one.strategy for one in here if one.strategy != favourite):
            for budget in BUDGETS:
                found = saved(here, favourite, rival, budget)
                if found.pairs:
                    rows.append(
                        {
                            "source": "mean",
                            "pool": name,
                            "strategy": favourite,
                            "against": rival,
                            "measure": f"clicks saved per case over {budget}",
                            **_facts(found),
                            "verdict": found.verdict,
                        }
                    )
    return rows


def saved(played: Sequence[Played], favourite: str, rival: str, budget: str) -> Difference:
    """The rival's area less the favourite's, paired by seed, up to the budget that both spent."""
    curves: dict[tuple[str, int], Mapping[str, Any]] = {
        (one.strategy, one.seed): {
            "x": [getattr(r, budget) for r in one.rounds],
            "y": [r.test_clicks for r in one.rounds],
        }
        for one in played
    }
    found = []
    for seed in sorted({one.seed for one in played}):
        mine, other = curves.get((favourite, seed)), curves.get((rival, seed))
        if mine is None or other is None:
            continue
        limit = float(min(mine["x"][-1], other["x"][-1]))
        found.append(area_under(other["x"], other["y"], limit) - area_under(mine["x"], mine["y"], limit))
    return difference(found)


def _facts(found: Difference) -> Row:
    rounded = {key: round(value, 4) for key, value in asdict(found).items() if key != "pairs"}
    return {"mean": rounded["mean"], "ci_low": rounded["low"], "ci_high": rounded["high"], "n": found.pairs}
