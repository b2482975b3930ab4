"""More corrections than before the promotion: an alarm, and if wanted the way back."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from sam_infer.adapters.adapter import Adapter
from sam_infer.adapters.store import AdapterStore
from sam_trainer.errors import TrainingError
from sam_trainer.judging.alarm import alarm_of, watch
from sam_trainer.judging.policy import WatchPolicy
from sam_trainer.labels.ledger import ACCEPTED, QUARANTINED, Record
from tests.sam_infer.adapters.test_adapter import provenance, tensors


@pytest.fixture
def store(tmp_path: Path) -> AdapterStore:
    """The second of two adapters serves."""
    store = AdapterStore("tiny", tmp_path)
    for seed in (1, 2):
        store.promote(store.put(Adapter(tensors(seed), provenance(seed=seed))), "a test")
    return store


def serving(store: AdapterStore) -> str:
    return str(store.pointer().adapter)


def records(store: AdapterStore, before: Sequence[float], after: Sequence[float]) -> list[Record]:
    now = datetime.now(UTC)
    told = [("none", distance, now - timedelta(days=1)) for distance in before]
    told += [(serving(store), distance, now + timedelta(seconds=5)) for distance in after]
    return [
        Record(
            (ACCEPTED, QUARANTINED)[n % 2],
            f"case {n}",
            1,
            f"{n}",
            ".nrrd",
            when.isoformat(timespec="seconds"),
            {"adapter": adapter, "edit_distance": distance},
        )
        for n, (adapter, distance, when) in enumerate(told)
    ]


GOOD, WORSE = (0.10, 0.12, 0.08, 0.11, 0.09), (0.30, 0.25, 0.41, 0.33, 0.28)


def test_a_rise_is_an_alarm_once(store: AdapterStore) -> None:
    alarm = watch(store, lambda: records(store, GOOD, WORSE), WatchPolicy())
    assert alarm is not None and (alarm.before, alarm.after, alarm.cases) == (0.1, 0.314, 5)
    assert "31%" in alarm.sentence and "10% before" in alarm.sentence
    kept = alarm_of(store, serving(store))
    assert kept is not None and kept["sentence"] == alarm.sentence and not kept["rolled_back"]
    assert watch(store, lambda: records(store, GOOD, WORSE), WatchPolicy()) is None


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (GOOD, GOOD),
        (WORSE, GOOD),
        (GOOD, WORSE[:4]),
        (GOOD[:4], WORSE),
        (GOOD, (0.05, 0.05, 0.05, 0.05, 0.9)),
        (GOOD, (0.12, 0.14, 0.10, 0.13, 0.11)),
    ],
    ids=["as ever", "better", "too few after", "too few before", "one odd case", "a little"],
)
def test_chance_and_too_few_cases_are_none(
    store: AdapterStore, before: tuple[float, ...], after: tuple[float, ...]
) -> None:
    assert watch(store, lambda: records(store, before, after), WatchPolicy()) is None
    assert alarm_of(store, serving(store)) is None


def test_if_wanted_it_goes_back_by_itself(store: AdapterStore) -> None:
    bad = serving(store)
    alarm = watch(store, lambda: records(store, GOOD, WORSE), WatchPolicy(rollback=True))
    assert alarm is not None and alarm.rolled_back and serving(store) != bad
    assert "by itself: readers change 31%" in store.pointer().history[-1].why
    kept = alarm_of(store, bad)
    assert kept is not None and kept["rolled_back"]


def test_labels_of_other_adapters_and_without_a_proposal_do_not_count(store: AdapterStore) -> None:
    told = records(store, GOOD, WORSE)
    others = [
        Record(r.event, r.case, 1, r.label_sha256, r.suffix, r.when, {**r.facts, "adapter": "other"}) for r in told
    ]
    assert watch(store, lambda: others, WatchPolicy()) is None
    unknown = [Record(r.event, r.case, 1, r.label_sha256, r.suffix, r.when, {"adapter": serving(store)}) for r in told]
    assert watch(store, lambda: unknown, WatchPolicy()) is None


def test_nothing_serves_nothing_to_watch(tmp_path: Path) -> None:
    assert watch(AdapterStore("tiny", tmp_path), lambda: pytest.fail("the ledger was read"), WatchPolicy()) is None


@pytest.mark.parametrize("changes", [{"cases": 1}, {"rise": 2.0}, {"confidence": 1.0}])
def test_a_policy_that_makes_no_sense(changes: dict[str, float]) -> None:
    with pytest.raises(TrainingError):
        WatchPolicy(**changes)
