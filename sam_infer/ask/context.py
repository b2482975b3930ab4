"""What an answer may need beside image and network: how its work is done, and what accepted cases know."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from sam_infer.automatic.best import Chosen
from sam_infer.automatic.example import AcceptedCase
from sam_infer.job import Job
from sam_infer.lru_cache import LruCache


def _none() -> Sequence[AcceptedCase]:
    return ()


def _unmeasured() -> Mapping[str, Chosen]:
    return {}


@dataclass(frozen=True, eq=False)
class Context:
    """Whose queue, whose cases, whose cache; by default nobody's."""

    job: Job = field(default_factory=Job)
    cases: Callable[[], Sequence[AcceptedCase]] = _none  # read only by modes that learn from them
    memo: LruCache = field(default_factory=LruCache)  # of registrations and coarse maps
    best: Callable[[], Mapping[str, Chosen]] = _unmeasured  # read by mode `best` only: what was measured, by label
