"""Label intake: a label is checked, recorded in the ledger, and quarantined where it looks odd."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from sam_infer.errors import VolumeError
from sam_infer.files import file_sha256
from sam_infer.imaging.image_file import read_marked
from sam_trainer.errors import TrainingError
from sam_trainer.labels.cases import Case
from sam_trainer.labels.ledger import GONE, QUARANTINED, STANDING, Ledger, Record, known
from sam_trainer.labels.quarantine import UNKNOWN_VALUE, Doubt, Earlier, doubts_about
from sam_trainer.labels.round import AcceptedLabel


@dataclass(frozen=True)
class TakenIn:
    """The newest record of a case's label, and whether the label was another one before."""

    record: Record
    new: bool


@dataclass(frozen=True, eq=False)
class Making:
    """How a label came about: facts about the work, and what a network proposed."""

    facts: Mapping[str, Any] = field(default_factory=dict)
    proposal: Earlier | None = None


def take_in(ledger: Ledger, entry: AcceptedLabel, making: Callable[[], Making] = Making) -> TakenIn:
    """Record a label; in quarantine if it disagrees with its earlier version or its proposal, or with its image.

    `making` is asked of a new label only: to find out costs more than to see that it is known.
    """
    return _taken_in(ledger, entry, ledger.last().get(entry.case.name), making)


def _taken_in(
    ledger: Ledger, entry: AcceptedLabel, last: Record | None, making: Callable[[], Making] = Making
) -> TakenIn:
    case = entry.case
    if last is not None and known(last, file_sha256(case.label), entry.facts):
        return TakenIn(last, new=False)
    made = making()
    names = {str(value): name for value, name in sorted(case.labels.items())}
    facts = {"labels": names, **made.facts, **entry.facts}
    return TakenIn(ledger.accept(case.name, case.label, facts, _doubts(ledger, case, last, made.proposal)), new=True)


def recorded(ledger: Ledger, accepted: Sequence[AcceptedLabel], present: Sequence[str]) -> list[AcceptedLabel]:
    """Of these labels the ones that count, as the ledger's own copies; those not `present` any more are gone."""
    names = [entry.case.name for entry in accepted]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise TrainingError(f"two images are called {twice!r}: give one studies folder at a time", "studies")
    newest = ledger.last()
    for entry in accepted:
        _taken_in(ledger, entry, newest.get(entry.case.name))
    newest, here = ledger.last(), set(present)
    for case, last in sorted(newest.items()):
        if case not in here and last.event in STANDING:
            newest[case] = ledger.withdraw(case, {"why": "no longer in the studies"}, GONE)
    standing = {case: last for case, last in newest.items() if last.event in STANDING}
    held = {case for case, last in newest.items() if last.event == QUARANTINED}
    if names and not set(names) & set(standing) and set(names) & held:
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
            before, phase = read_marked(ledger.label(last))
            if phase == read_marked(case.label)[1]:  # of an image in time perhaps another phase was marked first
                earlier.append(Earlier(f"version {last.version}", before, last.names))
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
