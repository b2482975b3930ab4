"""Accepted labels as JSON for people and programs: newest event, history, quarantine."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from sam_trainer.labels.ledger import QUARANTINED, Ledger, Record
from samlabel.errors import NotFoundError

# Of a record's facts, what belongs into a row.
SHOWN = ("reader", "model", "adapter", "edit_distance", "clicks", "seconds")

# What the answer to a saved label holds besides its name, where the label is in quarantine.
OF_QUARANTINE = ("quarantine", "message")


def overview(ledger: Ledger, state: str = "") -> list[dict[str, Any]]:
    """The newest event of every case, only those in a `state` if one is given."""
    return [_row(last) for last in ledger.last().values() if state in ("", last.event)]


def details(ledger: Ledger, case: str) -> dict[str, Any]:
    """Everything that happened to a case's label, the oldest first."""
    events = [record for record in ledger.records() if record.case == case]
    if not events:
        raise NotFoundError(f"no label of {case!r} was ever accepted here; `samlabel labels list` shows all", "case")
    return {**_row(events[-1]), "events": [{**_row(event), "facts": dict(event.facts)} for event in events]}


def between_readers(told: Mapping[str, Any]) -> Iterator[str]:
    """What is known of several readers of a case, in sentences."""
    for reading in told["readings"]:
        labels = ", ".join(reading["labels"]) or "labels without names"
        yield f"version {reading['version']} by {reading['reader']}, {reading['when'][:16]}: {labels}"
    if not told.get("agreement"):
        yield "fewer than two readers with names: there is nothing to decide"
        return
    for row in told["agreement"]:
        told_of = f"{row['label']}: {row['first']} and {row['second']}"
        yield f"{told_of} agree by a Dice of {row['dice']:.3f}, an NSD of {row['nsd']:.3f}"
    decision = told["decision"]
    if decision is None:
        yield f"nobody has decided yet; the proposal is {told['proposal']}"
    else:
        by, when = decision["by"], decision["when"][:16]
        yield f"decided by {by}, {when}: {decision['choice']} (version {decision['version']})"


def quarantine_of(record: Record) -> dict[str, Any]:
    """What a reader is told who just saved a label: nothing, or that it waits for somebody to look at it, and why."""
    if record.event != QUARANTINED:
        return {}
    reasons = "; ".join(doubt["sentence"] for doubt in record.doubts)
    return {
        "quarantine": record.doubts,
        "message": f"the label is saved, and teaches nobody until somebody has looked at it: {reasons}",
    }


def _row(record: Record) -> dict[str, Any]:
    told = {key: record.facts[key] for key in SHOWN if record.facts.get(key) not in (None, "")}
    doubts = {"doubts": record.doubts} if record.doubts and record.event == QUARANTINED else {}
    return {
        "case": record.case,
        "event": record.event,
        "version": record.version,
        "when": record.when,
        "label_sha256": record.label_sha256,
        **told,
        **doubts,
    }
