"""Drift alarm of the serving adapter: readers correct its proposals more (edit distance) than those before.

The gate judges an adapter before it serves, on simulated clicks; here its proposals are held against what readers made
of them. The alarm is a file beside the adapter, so that every command and every server sees it:

    HOME/adapters/MODEL/ID/alarm.json
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np

from sam_infer.adapters.store import BY_ALARM, AdapterStore, Move, write_beside
from sam_infer.errors import AdapterError
from sam_infer.weights.available import SHOWN_DIGITS
from sam_trainer.judging.policy import WatchPolicy
from sam_trainer.labels.ledger import ACCEPTED, QUARANTINED, Record

log = logging.getLogger(__name__)

ALARM_FILE = "alarm.json"

# Of the labels before a promotion, the newest: what readers were used to.
REMEMBERED = 50

RESAMPLES = 2000


@dataclass(frozen=True)
class Alarm:
    """Readers correct an adapter's proposals more than those of what served before."""

    adapter: str
    sentence: str
    before: float  # mean edit distances
    after: float
    cases: int
    when: str  # ISO 8601, UTC
    rolled_back: bool = False


def watch(store: AdapterStore, records: Callable[[], Sequence[Record]], policy: WatchPolicy) -> Alarm | None:
    """Look at the adapter that serves; the alarm, if there is reason for one that was not raised before.

    The ledger's `records` are asked for only where there is something to watch.
    """
    try:
        history = store.pointer().history
    except AdapterError:
        return None  # a damaged pointer is said elsewhere
    if not history or history[-1].adapter is None:
        return None
    served = history[-1]
    name = str(served.adapter)
    known = alarm_of(store, name)
    if known is not None and known["when"] >= served.when:
        return None
    found = _alarm(name, served, records(), policy)
    if found is not None:
        found = _raised(store, found, policy)
    return found


def alarm_of(store: AdapterStore, name: str) -> dict[str, Any] | None:
    """The last alarm about an adapter."""
    try:
        found: dict[str, Any] = json.loads((store.folder / name / ALARM_FILE).read_text())
        return found if {"sentence", "when"} <= found.keys() else None
    except (OSError, ValueError, AttributeError):
        return None


def _alarm(name: str, served: Move, records: Sequence[Record], policy: WatchPolicy) -> Alarm | None:
    told = [record for record in records if record.event in (ACCEPTED, QUARANTINED) and _distance(record) is not None]
    mine = [record.facts.get("adapter") == name for record in told]
    after = [_distance(record) for record, own in zip(told, mine, strict=True) if own and record.when >= served.when]
    before = [_distance(record) for record, own in zip(told, mine, strict=True) if not own][-REMEMBERED:]
    if min(len(before), len(after)) < policy.cases:
        return None
    earlier, later = np.array(before, np.float64), np.array(after, np.float64)
    rise = float(later.mean() - earlier.mean())
    rng = np.random.default_rng(0)
    drawn = [rng.choice(part, (RESAMPLES, len(part))).mean(axis=1) for part in (later, earlier)]
    least = float(np.quantile(drawn[0] - drawn[1], 1 - policy.confidence))
    if rise <= policy.rise or least <= 0:
        return None
    sentence = (
        f"readers change {later.mean():.0%} of what adapter {name[:SHOWN_DIGITS]} proposes ({len(after)} cases), "
        f"{earlier.mean():.0%} before it was promoted"
    )
    return Alarm(name, sentence, round(float(earlier.mean()), 5), round(float(later.mean()), 5), len(after), _now())


def _raised(store: AdapterStore, alarm: Alarm, policy: WatchPolicy) -> Alarm:
    log.error("alarm: %s", alarm.sentence)
    if policy.rollback:
        store.rollback(f"by itself: {alarm.sentence}", BY_ALARM)
        alarm = Alarm(**{**asdict(alarm), "sentence": f"{alarm.sentence}; rolled back", "rolled_back": True})
    write_beside(store.folder / alarm.adapter / ALARM_FILE, json.dumps(asdict(alarm), indent=1) + "\n")
    return alarm


def _distance(record: Record) -> float | None:
    found = record.facts.get("edit_distance")
    return float(found) if isinstance(found, int | float) else None


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
