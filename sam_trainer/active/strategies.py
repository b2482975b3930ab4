"""Acquisition strategies of active learning: scores in, one case and the reason out. Pure: no file, clock or model.

sam_uncertain      the most doubtful, with power noise (PowerBALD, arXiv 2106.12059)
sam_diverse        the one farthest from what is labelled (k-center); the most typical one at the start
sam_badge          doubt and diversity in one: k-means++ on gradient vectors (arXiv 1906.03671)
sam_classbalanced  the structure with fewest labels first, then doubt about it under noise that fades (ClaSP-PE)
sam_hybrid         diverse at the start, turning to doubt as labels come in
sam_random_fg      any case in which something was found
random             any case
first              the first by name
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from sam_infer.arrays import Float64Array
from sam_trainer.active.diversity import farthest, nearest, ranks, spread_draw
from sam_trainer.active.score_table import Scored
from sam_trainer.errors import TrainingError

HYBRID, RANDOM_FG, RANDOM, FIRST = "sam_hybrid", "sam_random_fg", "random", "first"

# The exponent of PowerBALD: how firmly doubt decides against chance.
POWER = 8.0

# ClaSP-PE's noise fades: its exponent grows with the labels, from and to.
CLASS_POWER = (1.0, 16.0)

# Labels after which sam_hybrid goes by doubt alone, and class balance without noise.
TURNED_AFTER = 20


@dataclass(frozen=True)
class Pool:
    """What is known when somebody asks."""

    candidates: tuple[str, ...]  # may be offered
    scores: Mapping[str, Scored] = field(default_factory=dict)  # of candidates and of labelled cases
    labelled: tuple[str, ...] = ()
    structures: Mapping[str, int] = field(default_factory=dict)  # how many accepted labels show each


@dataclass(frozen=True)
class Choice:
    """One case, and why it was chosen."""

    case: str
    strategy: str  # the one that decided, after any fallback
    why: str
    score: float | None = None
    slices: tuple[int, ...] = ()


Strategy = Callable[[Pool, np.random.Generator], Choice | None]


def choose(strategy: str, pool: Pool, rng: np.random.Generator) -> Choice | None:
    """The next case by a strategy, by what can stand in for it where it cannot decide, or None for an empty pool."""
    checked_strategy(strategy)
    if not pool.candidates:
        return None
    found = STRATEGIES[strategy](pool, rng)
    if found is None:
        found = _instead(strategy, pool, rng)
    scored = pool.scores.get(found.case)
    if scored is None:
        return found
    return replace(found, score=scored.value, slices=scored.slices)


def checked_strategy(name: str) -> str:
    """The name of a strategy, or a refusal that lists them."""
    if name not in STRATEGIES:
        raise TrainingError(f"strategy must be one of {', '.join(STRATEGIES)}, got {name!r}", "strategy")
    return name


def batch(strategy: str, pool: Pool, count: int, rng: np.random.Generator) -> list[Choice]:
    """Several cases, one after the other, none chosen twice; earlier ones count as labelled for diversity."""
    chosen: list[Choice] = []
    for _ in range(count):
        found = choose(strategy, pool, rng)
        if found is None:
            break
        chosen.append(found)
        rest = tuple(case for case in pool.candidates if case != found.case)
        pool = replace(pool, candidates=rest, labelled=(*pool.labelled, found.case))
    return chosen


def uncertain(pool: Pool, rng: np.random.Generator) -> Choice | None:
    """The most doubtful, with noise so that two like cases do not come one after the other."""
    names, doubts = _doubts(pool)
    if not names:
        return None
    at = _noisy(doubts, POWER, rng)
    return Choice(names[at], "sam_uncertain", f"the network is unsure about it: {doubts[at]:.2f}")


def diverse(pool: Pool, rng: np.random.Generator) -> Choice | None:
    """The one that looks least like what is labelled."""
    names, looks = _vectors(pool, pool.candidates, "looks")
    if not names:
        return None
    _, taken = _vectors(pool, pool.labelled, "looks")
    at = farthest(looks, taken)
    why = "it looks least like what is labelled" if len(taken) else "it is the most typical case: a good start"
    return Choice(names[at], "sam_diverse", why)


def badge(pool: Pool, rng: np.random.Generator) -> Choice | None:
    """A case that would pull the network far, and elsewhere than labelled ones did."""
    names, pulls = _vectors(pool, pool.candidates, "pull")
    if not names:
        return None
    _, taken = _vectors(pool, pool.labelled, "pull")
    at = spread_draw(pulls, taken if taken.shape[1:] == pulls.shape[1:] else pulls[:0], rng)
    return Choice(names[at], "sam_badge", "it would change the network most, in a new direction")


def classbalanced(pool: Pool, rng: np.random.Generator) -> Choice | None:
    """Doubt about the structure that was labelled least, under noise that fades."""
    having = {name: scored for name, scored in _scored(pool).items() if scored.labels}
    known = sorted({label for scored in having.values() for label in scored.labels})
    if not known:
        return None
    rarest = min(known, key=lambda label: (pool.structures.get(label, 0), label))
    names = [name for name, scored in having.items() if rarest in scored.labels]
    doubts = np.array([having[name].labels[rarest] for name in names])
    done = min(len(pool.labelled) / TURNED_AFTER, 1.0)
    at = _noisy(doubts, CLASS_POWER[0] + done * (CLASS_POWER[1] - CLASS_POWER[0]), rng)
    count = pool.structures.get(rarest, 0)
    return Choice(names[at], "sam_classbalanced", f"{rarest} has {count} labels; doubt about it here: {doubts[at]:.2f}")


def hybrid(pool: Pool, rng: np.random.Generator) -> Choice | None:
    """Ranks of diversity and of doubt, weighed by how much is labelled."""
    _, taken = _vectors(pool, pool.labelled, "looks")
    if not len(taken):
        found = diverse(pool, rng)
        return replace(found, strategy=HYBRID) if found else None
    names, looks = _vectors(pool, [name for name, s in _scored(pool).items() if s.value is not None], "looks")
    if not names:
        return None
    turned = min(len(pool.labelled) / TURNED_AFTER, 1.0)
    doubts = np.array([float(pool.scores[name].value or 0.0) for name in names])
    apart = nearest(looks, taken)
    together = turned * ranks(doubts) + (1 - turned) * ranks(apart)
    # of near-duplicates one is enough, however doubtful they are
    together = together * np.minimum(apart / max(float(np.median(apart)), 1e-9), 1.0)
    at = int(together.argmax())
    why = f"doubt {doubts[at]:.2f} counts {turned:.0%}, unlike what is labelled counts {1 - turned:.0%}"
    return Choice(names[at], HYBRID, why)


def random_foreground(pool: Pool, rng: np.random.Generator) -> Choice | None:
    """Any case in which the automatic labels found something."""
    names = [name for name, scored in _scored(pool).items() if scored.found_mm3 > 0]
    if not names:
        return None
    return Choice(names[int(rng.integers(len(names)))], RANDOM_FG, "drawn from the cases that seem to show something")


def at_random(pool: Pool, rng: np.random.Generator) -> Choice | None:
    """Any case."""
    return Choice(pool.candidates[int(rng.integers(len(pool.candidates)))], RANDOM, "drawn at random")


def first(pool: Pool, rng: np.random.Generator) -> Choice | None:
    """The first by name."""
    return Choice(min(pool.candidates), FIRST, "the first by name")


STRATEGIES: Mapping[str, Strategy] = {
    HYBRID: hybrid,
    "sam_uncertain": uncertain,
    "sam_diverse": diverse,
    "sam_badge": badge,
    "sam_classbalanced": classbalanced,
    RANDOM_FG: random_foreground,
    RANDOM: at_random,
    FIRST: first,
}


def _instead(strategy: str, pool: Pool, rng: np.random.Generator) -> Choice:
    """Diverse where anything is embedded, else random; both say why the strategy itself could not decide."""
    found = (diverse(pool, rng) if strategy != RANDOM_FG else None) or at_random(pool, rng) or first(pool, rng)
    if found is None:
        raise TrainingError("an empty pool has no case", "strategy")
    return replace(found, why=f"{_undecided(strategy, pool)}: {found.why}")


def _undecided(strategy: str, pool: Pool) -> str:
    """Why a strategy cannot decide: a case that was looked at before any was labelled has no doubt to go by."""
    if not _scored(pool):
        return f"no case is scored yet, so {strategy} cannot decide"
    if any(scored.value is not None for scored in _scored(pool).values()):
        return f"nothing was found in the scored cases that {strategy} goes by"
    if not pool.labelled:
        return f"no label is accepted yet, and {strategy} goes by what labelled cases taught"
    return f"the cases were scored before a label was accepted, so {strategy} waits for new scores"


def _scored(pool: Pool) -> dict[str, Scored]:
    return {name: pool.scores[name] for name in pool.candidates if name in pool.scores}


def _doubts(pool: Pool) -> tuple[list[str], Float64Array]:
    having = {name: scored.value for name, scored in _scored(pool).items() if scored.value is not None}
    return list(having), np.array(list(having.values()), np.float64)


def _vectors(pool: Pool, names: Collection[str], kind: str) -> tuple[list[str], Float64Array]:
    """Those of the cases that have a vector of this kind, all of one length: another network's say nothing."""
    found = {name: getattr(pool.scores[name], kind) for name in names if name in pool.scores}
    lengths = Counter(len(vector) for vector in found.values() if len(vector))
    if not lengths:
        return [], np.zeros((0, 0))
    usual = lengths.most_common(1)[0][0]
    kept = {name: vector for name, vector in found.items() if len(vector) == usual}
    return list(kept), np.array(list(kept.values()), np.float64)


def _noisy(doubts: Float64Array, power: float, rng: np.random.Generator) -> int:
    """The largest of power * log doubt + Gumbel noise: a draw by doubt to that power."""
    return int((power * np.log(np.maximum(doubts, 1e-9)) + rng.gumbel(size=len(doubts))).argmax())


def structures_in(labels: Sequence[Collection[str]]) -> dict[str, int]:
    """How many accepted labels show each structure."""
    return dict(Counter(name for shown in labels for name in set(shown)))
