"""Accepted labels as JSON for people and programs: newest event, history, quarantine."""

from __future__ import annotations

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
