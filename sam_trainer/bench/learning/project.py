"""One simulated annotation project: a reader, a pool, a strategy, and the real active-learning loop between them.

    serve -> click -> accept -> train -> judge -> promote -> score -> select

Ledger, training, gate, adapter store, following of the promoted adapter, scoring and choosing are those of a server;
only the reader is simulated. Judges and cases to validate on are labelled before the first round, in every strategy
alike: without them no adapter could be promoted.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from sam_infer.adapters.store import AdapterStore
from sam_infer.automatic.example import AcceptedCase, affordable
from sam_infer.automatic.looks import MOST_TEACHERS
from sam_infer.imaging.canonical_view import CanonicalView
from sam_infer.lru_cache import LruCache
from sam_infer.models.current import CurrentPredictor
from sam_infer.models.load import BaseNetwork
from sam_infer.slices.embedding_cache import EmbeddingCache
from sam_infer.slices.predictor import Predictor
from sam_infer.uncertainty.case_score import Scorer, ScoreSettings
from sam_trainer.active.score_table import ScoreTable
from sam_trainer.active.scoring import Scoring
from sam_trainer.active.strategies import RANDOM, RANDOM_FG, Pool, batch, structures_in
from sam_trainer.config import TrainConfig
from sam_trainer.judging.policy import GatePolicy
from sam_trainer.labels.cases import Case, labelled_image, slice_axis
from sam_trainer.labels.intake import recorded, take_in
from sam_trainer.labels.ledger import Ledger
from sam_trainer.labels.round import AcceptedLabel
from sam_trainer.simulation.reader import Effort, SimulatedReader
from sam_trainer.studies import Studies
from sam_trainer.synthetic.pools import CANDIDATE, JUDGE, TEST, WATCH
from sam_trainer.training.run_round import TrainingRound

# Strategies that look at scores of the network as it is now; the others need at most to know what was found.
UNSCORED, ONCE = (RANDOM, "first"), (RANDOM_FG,)


@dataclass(frozen=True)
class LoopConfig:
    """How long a project runs and how it trains."""

    rounds: int = 5
    cases: int = 3  # per round
    train: TrainConfig = field(
        default_factory=lambda: TrainConfig(
            method="decoder", epochs=2, steps=12, images=2, objects=2, decodes=2, semantic_images=0
        )
    )
    gate: GatePolicy = field(default_factory=lambda: GatePolicy(objects_per_case=1, clicks=5))
    slices: int = 1  # that scoring looks at


@dataclass(frozen=True)
class RoundResult:
    """Where a project stands after a round; sums are over everything labelled so far."""

    round: int
    cases: int
    slices: int
    clicks: int
    minutes: float
    test_clicks: float  # per case that nobody labels
    test_dice: float  # after the first click
    promoted: bool
    chosen: tuple[str, ...]
    seconds: float


class Project:
    """A project under way; everything it keeps lies in its own home."""

    def __init__(self, roles: Mapping[str, Sequence[Case]], home: Path, base: BaseNetwork, config: LoopConfig) -> None:
        self._roles = roles
        self._home = home
        self._config = config
        self._reader = SimulatedReader()
        studies = Studies.of(home / "studies")
        self._ledger = Ledger.of(studies, home)
        self._cache = EmbeddingCache(256 << 20, home / "embeddings")
        self._follower = CurrentPredictor(AdapterStore(config.train.model, home), self._cache, base.backbone)
        self._predictor = self._follower.first()
        self._memo = LruCache()
        self._table = ScoreTable.of(studies, home)
        self._labelled: dict[str, Case] = {}
        self._spent = [Effort(0, 0, 0.0, 0.0)]
        for role in (JUDGE, WATCH):
            for case in roles.get(role, ()):
                self._accept(case, None)

    @property
    def predictor(self) -> Predictor:
        """What answers the next click."""
        self._predictor = self._follower.follow(self._predictor)
        return self._predictor

    def run(self, strategy: str, seed: int) -> list[RoundResult]:
        """Every round of a project; a seed means the same draws for every strategy."""
        rng = np.random.default_rng((seed, 7))
        results = [self._result(0, False, (), time.perf_counter())]
        for number in range(1, self._config.rounds + 1):
            started = time.perf_counter()
            chosen = self._chosen(strategy, rng, number)
            for case in chosen:
                self._accept(case, self._reader.label(self.predictor, case))
            learned = self._learning(seed).run(self._accepted())
            results.append(self._result(number, learned.promoted, tuple(case.name for case in chosen), started))
        return results

    def score(self) -> None:
        """Score every case that is not labelled by the network as it is now."""
        images = {case.name: case.image for case in self._waiting()}
        for _ in Scoring(self._scorer(), self._table).run(images):
            pass

    def _chosen(self, strategy: str, rng: np.random.Generator, number: int) -> list[Case]:
        if strategy not in UNSCORED and (number == 1 or strategy not in ONCE):
            self.score()
        waiting = {case.name: case for case in self._waiting()}
        shown = [set(case.labels.values()) for case in self._labelled.values()]
        mine = tuple(name for name in self._labelled if name in {case.name for case in self._roles[CANDIDATE]})
        pool = Pool(tuple(waiting), self._table.all(), mine, structures_in(shown))
        return [waiting[choice.case] for choice in batch(strategy, pool, self._config.cases, rng)]

    def _waiting(self) -> list[Case]:
        return [case for case in self._roles[CANDIDATE] if case.name not in self._labelled]

    def _scorer(self) -> Scorer:
        labels = tuple(dict.fromkeys(name for case in self._labelled.values() for name in case.labels.values()))
        newest = list(self._labelled.values())[::-1]
        cases = affordable((canonical_case(case, self._config.slices) for case in newest), MOST_TEACHERS)
        settings = ScoreSettings(slices=self._config.slices)
        return Scorer(self.predictor, labels, cases, settings, memo=self._memo)

    def _accept(self, case: Case, effort: Effort | None) -> None:
        facts = {"clicks": effort.clicks, "adapter": self._predictor.adapter} if effort else {"judge": True}
        take_in(self._ledger, AcceptedLabel(case, facts=facts))
        self._labelled[case.name] = case
        if effort:
            self._spent.append(effort)

    def _accepted(self) -> list[AcceptedLabel]:
        found = [AcceptedLabel(case, facts={"simulated": True}) for case in self._labelled.values()]
        return recorded(self._ledger, found, list(self._labelled))

    def _learning(self, seed: int) -> TrainingRound:
        train = TrainConfig(**{**vars(self._config.train), "seed": seed})
        return TrainingRound(train, self._config.gate, self._home)

    def _result(self, number: int, promoted: bool, chosen: tuple[str, ...], started: float) -> RoundResult:
        efforts = [self._reader.label(self.predictor, case, largest_only=True) for case in self._roles[TEST]]
        return RoundResult(
            round=number,
            cases=len(self._spent) - 1,
            slices=sum(e.slices for e in self._spent),
            clicks=sum(e.clicks for e in self._spent),
            minutes=sum(e.minutes for e in self._spent[1:]),
            test_clicks=float(np.mean([e.clicks for e in efforts])),
            test_dice=float(np.mean([e.first_dice for e in efforts])),
            promoted=promoted,
            chosen=chosen,
            seconds=time.perf_counter() - started,
        )


def canonical_case(case: Case, slices: int | None = None) -> AcceptedCase:
    """A labelled case as scoring learns from it."""
    volume, mask = labelled_image(case)
    view = CanonicalView.of(volume, slice_axis(volume.geometry), slices)
    return AcceptedCase(view.volume(volume), view.mask(mask))
