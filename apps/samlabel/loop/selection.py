"""Next-case selection of active learning: scores are read, a strategy chooses, and the answer says why.

No model runs here. A share of the cases that active learning would choose is drawn instead, to compare with; where it
was measured that choosing does not help, all of them are, and the answer says so.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from sam_infer.home import default_home
from sam_trainer.active import strategies as acquisition
from sam_trainer.active.benefit import Benefit
from sam_trainer.active.score_table import ScoreTable
from sam_trainer.active.served import (
    ACTIVE,
    CONTROL,
    PLAIN,
    Served,
    ServedCases,
    draws_control,
    loop_folder,
    now,
    seed_of,
)
from sam_trainer.active.strategies import FIRST, RANDOM, RANDOM_FG, Choice, Pool, choose, structures_in
from sam_trainer.labels.ledger import QUARANTINED, STANDING, Ledger
from samlabel.config import AppConfig
from samlabel.errors import RequestError
from samlabel.store.leases import holder

# What clients may send; everything else is a mistake that would go unnoticed.
KNOWN = {"strategy", "client_id", "leave", "user", "seed"}

# Compared with the control arm; the others are drawn or taken in order anyway.
COMPARED = tuple(name for name in acquisition.STRATEGIES if name not in (RANDOM_FG, RANDOM, FIRST))


class Selection:
    """The choice of cases for one studies folder; safe to share between threads."""

    def __init__(self, studies: str, config: AppConfig, adapter: Callable[[], str]) -> None:
        self._config = config
        self._adapter = adapter
        self._ledger = Ledger.of(studies)
        self._scores = ScoreTable.of(studies)
        self._served = ServedCases.of(studies)
        self._loop = loop_folder(studies, default_home())

    def next(self, asked: str, request: Mapping[str, Any], store: Any) -> dict[str, Any] | None:
        """The answer to a request, or None when there is no case left."""
        _check(request)
        pool = self._pool(store)
        if not pool.candidates:
            return None
        strategy = self._config.random_is if asked == RANDOM else asked
        who = holder(request)
        arm, notes = self._arm(strategy, len(pool.labelled), who)
        if arm == CONTROL:
            strategy = RANDOM_FG
        seed = request.get("seed")
        facts = (len(pool.labelled), who) if seed is None else (seed,)
        choice = choose(strategy, pool, np.random.default_rng(seed_of(strategy, *facts)))
        if choice is None:
            return None
        if asked == RANDOM and strategy != RANDOM and arm != CONTROL:
            notes = [f"'random' gets {strategy} on this server", *notes]
        return self._answer(asked, choice, arm, notes, pool)

    def note(self, chosen: Mapping[str, Any], who: str) -> None:
        """A reader was sent there."""
        if "arm" in chosen:
            self._served.note(
                Served(
                    case=chosen["id"],
                    reader=who,
                    asked=chosen["asked"],
                    strategy=chosen["chosen_by"],
                    arm=chosen["arm"],
                    adapter=self._adapter(),
                    score=chosen["score"],
                    when=now(),
                )
            )

    def _pool(self, store: Any) -> Pool:
        """What may be offered: not what the ledger knows as labelled, however old the store's own list is."""
        last = self._ledger.last()
        done = {case for case, record in last.items() if record.event in (*STANDING, QUARANTINED)}
        listed = store.get_unlabeled_images()
        standing = [record for record in last.values() if record.event in STANDING]
        shown = [set(record.names.values()) for record in standing]
        return Pool(
            candidates=tuple(sorted(set(listed) - done)),
            scores=self._scores.all(),
            labelled=tuple(sorted(record.case for record in standing)),
            structures=structures_in(shown),
        )

    def _arm(self, strategy: str, labelled: int, who: str) -> tuple[str, list[str]]:
        if strategy not in COMPARED:
            return PLAIN, []
        worth, share = Benefit.read(self._loop), self._config.control_share
        drawn = draws_control(share, labelled, who)
        if self._config.fallback and worth.falls_back:
            # a few go on being chosen: without them nobody could measure again
            told = f"choosing cases has not helped here so far ({worth.sentence})"
            return (
                (ACTIVE, [f"{told}; one of the {share:.0%} to measure again"])
                if drawn
                else (CONTROL, [f"{told}, so this one is drawn"])
            )
        return (CONTROL, [f"one of the {share:.0%} drawn to compare with {strategy}"]) if drawn else (ACTIVE, [])

    def _answer(self, asked: str, choice: Choice, arm: str, notes: list[str], pool: Pool) -> dict[str, Any]:
        scored, serves = pool.scores.get(choice.case), self._adapter()
        if scored is not None and scored.adapter != serves:
            notes = [*notes, "its score is of an earlier network; a new one is being made"]
        return {
            "id": choice.case,
            "score": None if choice.score is None else round(choice.score, 4),
            "why": "; ".join([*notes, choice.why]),
            "asked": asked,
            "chosen_by": choice.strategy,
            "arm": arm,
            "adapter": scored.adapter if scored is not None else serves,
            "slices": list(choice.slices),
            "scored": scored is not None and scored.value is not None,
        }


def _check(request: Mapping[str, Any]) -> None:
    unknown = sorted(set(request) - KNOWN)
    if unknown:
        raise RequestError(f"unknown parameter {unknown[0]!r}; known are {', '.join(sorted(KNOWN))}", unknown[0])
    seed = request.get("seed")
    if seed is not None and (isinstance(seed, bool) or not isinstance(seed, int)):
        raise RequestError(f"seed must be a whole number, got {seed!r}", "seed")
