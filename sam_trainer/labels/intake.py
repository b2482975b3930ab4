"""Label intake: a label is checked, recorded in the ledger, and quarantined where it looks odd."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from sam_infer.errors import VolumeError
from sam_infer.files import file_sha256
from sam_infer.imaging.image_file import read_mask
from sam_trainer.errors import TrainingError
from sam_trainer.labels.cases import Case
from sam_trainer.labels.ledger import GONE, STANDING, Ledger, Record
from sam_trainer.labels.quarantine import UNKNOWN_VALUE, Doubt, Earlier, doubts_about
from sam_trainer.labels.round import AcceptedLabel


def is_new(ledger: Ledger, case: Case) -> bool:
    """Whether a case's label is another one than the ledger's newest."""
    last = ledger.last().get(case.name)
    return last is None or last.label_sha256 != file_sha256(case.label) or last.event == GONE


def take_in(ledger: Ledger, entry: AcceptedLabel, proposal: Earlier | None = None) -> Record:
    """Record a label; in quarantine if it disagrees with its earlier version or its proposal, or with its image."""
    case = entry.case
    last = ledger.last().get(case.name)
    if last is not None and not is_new(ledger, case):
        return last
    facts = {"labels": {str(value): name for value, name in sorted(case.labels.items())}, **entry.facts}
    return ledger.accept(case.name, case.label, facts, _doubts(ledger, case, last, proposal))


def recorded(ledger: Ledger, accepted: Sequence[AcceptedLabel], present: Sequence[str]) -> list[AcceptedLabel]:
    """Of these labels the ones that count, as the ledger's own copies; those not `present` any more are gone."""
    names = [entry.case.name for entry in accepted]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise TrainingError(f"two images are called {twice!r}: give one studies folder at a time", "studies")
    for entry in accepted:
        take_in(ledger, entry)
    for case in sorted(set(ledger.standing()) - set(present)):
        ledger.withdraw(case, {"why": "no longer in the studies"}, GONE)
    standing, held = ledger.standing(), ledger.quarantine()
    if names and not set(names) & set(standing) and set(names) & set(held):
        raise TrainingError(
            f"every accepted label is in quarantine ({len(held)} of them): look at them with `samlabel labels list`, "
            "release the good ones",
            "studies",
        )
    return [
        replace(entry, case=_named(replace(entry.case, label=ledger.label(record)), record))
        for entry in accepted
        if (record := standing.get(entry.case.name)) is not None
    ]


def _doubts(ledger: Ledger, case: Case, last: Record | None, proposal: Earlier | None) -> list[Doubt]:
    """What is odd about a label; one that cannot be read is the round's to leave out, with its own sentence."""
    earlier = [] if proposal is None else [proposal]
    try:
        if last is not None and last.event in STANDING:
            earlier.append(Earlier(f"version {last.version}", read_mask(ledger.label(last)), last.names))
        return doubts_about(case, earlier)
    except VolumeError:
        return []


def _named(case: Case, record: Record) -> Case:
    """A case with the names that came with its label, where its folder knows none.

    A person who released unknown values wants them to be what they are: labels without a name.
    """
    labels = dict(case.labels) or record.names
    values = [int(v) for doubt in record.doubts if doubt["reason"] == UNKNOWN_VALUE for v in doubt.get("values", ())]
    return replace(case, labels={**labels, **{value: f"label {value}" for value in values}})
