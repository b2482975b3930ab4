"""Which case a reader is sent to: what is known is read, a strategy chooses, and the offer says why.

No model runs here. A share of the cases that active learning would choose is drawn instead, to compare with; where it
was measured that choosing does not help, all of them are, and the offer says so.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from pathlib import Path

import numpy as np

from sam_infer.home import default_home
from sam_trainer.active.benefit import Benefit
from sam_trainer.active.offer import Offer, Wish
from sam_trainer.active.policy import SelectionPolicy
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
from sam_trainer.active.strategies import (
    FIRST,
    RANDOM,
    RANDOM_FG,
    STRATEGIES,
    Choice,
    Pool,
    choose,
    structures_in,
)
from sam_trainer.labels.ledger import QUARANTINED, STANDING, Ledger
from sam_trainer.studies import Studies

# Compared with the control arm; the others are drawn or taken in order anyway.
COMPARED = tuple(name for name in STRATEGIES if name not in (RANDOM_FG, RANDOM, FIRST))


class Selection:
    """The choice of cases of some studies; safe to share between threads."""

    def __init__(
        self, studies: Studies, policy: SelectionPolicy, adapter: Callable[[], str], home: Path | None = None
    ) -> None:
        self.folder = loop_folder(studies, home or default_home())  # what was measured of choosing here
        self._policy = policy
        self._adapter = adapter
        self._ledger = Ledger.of(studies, home)
        self._scores = ScoreTable.of(studies, home)
        self._served = ServedCases.of(studies, home)

    def next(self, wish: Wish, unlabelled: Collection[str]) -> Offer | None:
        """One of these cases, or None when there is none left."""
        pool = self._pool(unlabelled)
        if not pool.candidates:
            return None
        strategy = self._policy.random_is if wish.strategy == RANDOM else wish.strategy
        arm, notes = self._arm(strategy, len(pool.labelled), wish.reader)
        if arm == CONTROL:
            strategy = RANDOM_FG
        facts = (len(pool.labelled), wish.reader) if wish.seed is None else (wish.seed,)
        choice = choose(strategy, pool, np.random.default_rng(seed_of(strategy, *facts)))
        if choice is None:
            return None
        if wish.strategy == RANDOM and strategy != RANDOM and arm != CONTROL:
            notes = [f"'random' gets {strategy} on this server", *notes]
        return self._offer(wish.strategy, choice, arm, notes, pool)

    def note(self, offer: Offer, reader: str) -> None:
        """A reader was sent there."""
        self._served.note(
            Served(
                case=offer.case,
                reader=reader,
                asked=offer.asked,
                strategy=offer.strategy,
                arm=offer.arm,
                adapter=self._adapter(),
                score=offer.score,
                when=now(),
            )
        )

    def _pool(self, unlabelled: Collection[str]) -> Pool:
        """What may be offered: not what the ledger knows as labelled, however old the list of cases is."""
        last = self._ledger.last()
        done = {case for case, record in last.items() if record.event in (*STANDING, QUARANTINED)}
        standing = [record for record in last.values() if record.event in STANDING]
        shown = [set(record.names.values()) for record in standing]
        return Pool(
            candidates=tuple(sorted(set(unlabelled) - done)),
            scores=self._scores.all(),
            labelled=tuple(sorted(record.case for record in standing)),
            structures=structures_in(shown),
        )

    def _arm(self, strategy: str, labelled: int, reader: str) -> tuple[str, list[str]]:
        if strategy not in COMPARED:
            return PLAIN, []
        worth, share = Benefit.read(self.folder), self._policy.control_share
        drawn = draws_control(share, labelled, reader)
        if self._policy.fallback and worth.falls_back:
            # a few go on being chosen: without them nobody could measure again
            told = f"choosing cases has not helped here so far ({worth.sentence})"
            return (
                (ACTIVE, [f"{told}; one of the {share:.0%} to measure again"])
                if drawn
                else (CONTROL, [f"{told}, so this one is drawn"])
            )
        return (CONTROL, [f"one of the {share:.0%} drawn to compare with {strategy}"]) if drawn else (ACTIVE, [])

    def _offer(self, asked: str, choice: Choice, arm: str, notes: list[str], pool: Pool) -> Offer:
        scored, serves = pool.scores.get(choice.case), self._adapter()
        if scored is not None and scored.adapter != serves:
            notes = [*notes, "its score is of an earlier network; a new one is being made"]
        return Offer(
            case=choice.case,
            asked=asked,
            strategy=choice.strategy,
            arm=arm,
            reason="; ".join([*notes, choice.why]),
            adapter=scored.adapter if scored is not None else serves,
            score=None if choice.score is None else round(choice.score, 4),
            slices=choice.slices,
            scored=scored is not None and scored.value is not None,
        )
