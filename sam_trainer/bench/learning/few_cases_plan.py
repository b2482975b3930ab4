"""Plan of the few-shot bench: which trainings there are, on which cases, and who is asked after each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from sam_infer.networks.runtimes.precision import FLOAT32
from sam_trainer.bench.learning.arms import DEFAULT, NONE
from sam_trainer.errors import TrainingError
from sam_trainer.labels.cases import Case, Source, spread
from sam_trainer.synthetic.anatomies import SOURCE, anatomies

# The number of cases that README quotes is trained first.
HEADLINE = 5

HELD_OUT_SEED = 1000


@dataclass(frozen=True)
class Plan:
    """How much is trained and asked."""

    counts: tuple[int, ...] = (1, 2, 5, 10)
    methods: tuple[str, ...] = DEFAULT
    seeds: int = 3
    folder_seeds: int = 1
    folds: int = 3  # cases per folder that are left out
    held_out: int = 20
    objects: int = 2  # per held-out case; twice as many of a case that is left out
    budget: float = 60.0  # seconds of one core for a training
    precision: str = FLOAT32
    limit: int | None = None  # labelled cases per folder, and held-out patients
    workers: int = 2
    only: tuple[str, ...] = ()  # folders that are measured; none named: all

    def chosen(self, sources: Sequence[Source]) -> list[Source]:
        """The folders that are measured; one that is named must be there."""
        strange = set(self.only) - {source.name for source in sources}
        if strange:
            raise TrainingError(f"there is no labelled folder {', '.join(sorted(strange))}", "only")
        return [source for source in sources if not self.only or source.name in self.only]


@dataclass(frozen=True)
class Training:
    """One training, or none, and the cases that are asked afterwards."""

    source: str
    method: str
    seed: int
    teaching: tuple[Case, ...]
    asked: tuple[Case, ...]
    objects: int  # per asked case
    labels: frozenset[str] | None = None  # that are asked for; None: all that a case has

    @property
    def key(self) -> str:
        """What it is called while it is measured."""
        whom = self.asked[0].name if self.labels is not None else f"{len(self.teaching)} cases"
        return f"{self.source}: {self.method}, {whom}, seed {self.seed}"


def procedural(plan: Plan, folder: Path) -> Iterator[Training]:
    """Procedural patients, written to `folder`: all trainings ask the same held-out ones."""
    held_out = tuple(anatomies(folder, min(plan.held_out, plan.limit or plan.held_out), HELD_OUT_SEED))
    untrained = Training(SOURCE, NONE, 0, (), held_out, plan.objects)
    yield untrained
    for count in sorted(plan.counts, key=lambda count: (count != HEADLINE, count)):
        for method in plan.methods:
            for seed in range(plan.seeds):
                teaching = anatomies(folder, max(plan.counts), seed)[:count]
                yield replace(untrained, method=method, seed=seed, teaching=tuple(teaching))


def left_out(plan: Plan, sources: Sequence[Source]) -> Iterator[Training]:
    """Real folders: cases that share a label with another one of their folder are left out one by one."""
    for source in plan.chosen(sources):
        folds = spread(list(_folds(replace(source, cases=tuple(spread(source.cases, plan.limit))))), plan.folds)
        for method in (NONE, *plan.methods):
            for seed in range(plan.folder_seeds if method != NONE else 1):
                for case, others, shared in folds:
                    yield Training(source.name, method, seed, others, (case,), 2 * plan.objects, shared)


def _folds(source: Source) -> Iterator[tuple[Case, tuple[Case, ...], frozenset[str]]]:
    """Every case that shares a label with others, those others, and the labels that they share."""
    for case in source.cases:
        mine = set(case.labels.values())
        others = tuple(other for other in source.cases if other is not case and mine & set(other.labels.values()))
        if others:
            yield case, others, frozenset(mine & {name for one in others for name in one.labels.values()})
