"""Adjudication: several readers' labels of one case side by side, and the decision of a third, stored and recorded.

The decision becomes the accepted label of the store (and of an archive), then an event of the ledger. Should a crash
fall between the two, the decision is the newest label all the same, and is taken in like any other.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sam_infer.imaging.image_file import write_mask
from sam_infer.imaging.volume import Mask
from sam_trainer.labels.agreement import agreement
from sam_trainer.labels.consensus import MAJORITY, STAPLE, consensus, difference, proposed_by
from sam_trainer.labels.ledger import Ledger, Record
from sam_trainer.labels.readings import Readings, SideBySide, readings_in
from samlabel.access.identity import current_reader
from samlabel.errors import NotFoundError, RequestError

if TYPE_CHECKING:  # a command that shows readings need not load the host
    from samlabel.store.folder import StudyStore

FINAL = "final"

# What may be shown or decided besides the number of a version; the last one is a label that the decider made.
DIFFERENCE, DRAWN = "difference", "drawn"

# Of how a chosen label came about, what goes along with it.
MADE_BY = ("model", "adapter", "algorithm_type")


@dataclass(frozen=True)
class Drawn:
    """A label of the decider's own."""

    file: Path
    info: Mapping[str, Any]  # as with any label that is saved


@dataclass(frozen=True)
class Decision:
    """What was decided, by whom."""

    choice: str  # a version, a consensus, or `drawn`
    why: str = ""
    drawn: Drawn | None = None


@dataclass(frozen=True)
class Adjudication:
    """The readings of one case."""

    ledger: Ledger
    case: str

    @property
    def readings(self) -> Readings:
        """As they are now."""
        return readings_in(self.ledger, self.case)

    def facts(self) -> dict[str, Any]:
        """Who read the case, how far they agree, what would be proposed, and what was decided."""
        found = self.readings
        told: dict[str, Any] = {
            "case": self.case,
            "readings": [_reading(record) for record in found.records],
            "decision": None if found.decision is None else _decision(found.decision),
        }
        if found.several:
            side_by_side = self._side_by_side(found)
            told |= {"agreement": agreement(side_by_side), "proposal": proposed_by(len(found.records))}
        return told

    def shown(self, which: str) -> tuple[Mask, tuple[str, ...]]:
        """A reading, a consensus or the difference of the two newest readings, and the names of its values."""
        found = self._several()
        side_by_side = self._side_by_side(found)
        if which == DIFFERENCE:
            first, second = side_by_side.versions[-2:]
            one, other = side_by_side.readers[-2:]
            return difference(side_by_side, first, second), (
                "the same",
                f"{one} alone",
                f"{other} alone",
                "another label",
            )
        if which in (MAJORITY, STAPLE):
            return consensus(side_by_side, which), side_by_side.names
        record = found.of(_version(which))
        return side_by_side.masks[side_by_side.versions.index(record.version)], side_by_side.names

    def decide(self, store: StudyStore, decision: Decision) -> Record:
        """Make one label the case's, in the store and in the ledger; every reading stays as it was."""
        found = self._several()
        with tempfile.TemporaryDirectory(prefix="samlabel-") as folder:
            file, info = self._label(found, decision, Path(folder))
            store.save_label(self.case, str(file), FINAL, info)
        kept = Path(store.get_label_uri(self.case, FINAL))
        names = {str(n): entry["name"] for n, entry in enumerate(info["label_info"], 1)}
        facts = {
            "labels": names,
            "reader": current_reader(),
            "choice": decision.choice,
            "between": {str(record.version): record.reader for record in found.records},
            **({"why": decision.why} if decision.why else {}),
        }
        return self.ledger.adjudicate(self.case, kept, facts)

    def _label(self, found: Readings, decision: Decision, folder: Path) -> tuple[Path, dict[str, Any]]:
        """The file of a decision, and what is recorded with it."""
        if decision.choice == DRAWN:
            if decision.drawn is None:
                raise RequestError("a decision that is drawn needs its label", "label")
            info = dict(decision.drawn.info)
            listed = info.get("label_info")
            if not isinstance(listed, list) or not all(isinstance(one, dict) and one.get("name") for one in listed):
                raise RequestError("label_info must name every value of the label", "params")
            return decision.drawn.file, info
        if decision.choice in (MAJORITY, STAPLE):
            mask, names = self.shown(decision.choice)
            return write_mask(mask, folder / "label.nrrd"), _info(names)
        record = found.of(_version(decision.choice))
        made_by = {key: record.facts[key] for key in MADE_BY if record.facts.get(key)}
        names = tuple(name for _, name in sorted(record.names.items()))
        if sorted(record.names) == list(range(1, len(names) + 1)):
            return self.ledger.label(record), {**_info(names), **made_by}  # the reader's very file
        mask, names = self.shown(decision.choice)
        return write_mask(mask, folder / "label.nrrd"), {**_info(names), **made_by}

    def _several(self) -> Readings:
        found = self.readings
        if not found.several:
            raise NotFoundError(f"{self.case} was not read by several readers: there is nothing to decide", "case")
        return found

    def _side_by_side(self, found: Readings) -> SideBySide:
        return SideBySide.of(self.ledger, found.records)


def _version(choice: str) -> int:
    if not choice.isdecimal() or len(choice) > 6:
        raise RequestError(
            f"choice must be the number of a version, {MAJORITY}, {STAPLE} or {DRAWN}, got {choice[:20]!r}", "choice"
        )
    return int(choice)


def _info(names: tuple[str, ...]) -> dict[str, Any]:
    return {"label_info": [{"name": name, "idx": n} for n, name in enumerate(names, 1)]}


def _reading(record: Record) -> dict[str, Any]:
    return {
        "reader": record.reader,
        "version": record.version,
        "event": record.event,
        "when": record.when,
        "labels": [name for _, name in sorted(record.names.items())],
    }


def _decision(record: Record) -> dict[str, Any]:
    return {
        "by": record.reader,
        "version": record.version,
        "when": record.when,
        "choice": record.facts.get("choice"),
        "why": record.facts.get("why", ""),
    }
