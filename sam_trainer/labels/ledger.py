"""Append-only ledger of accepted labels: each is copied, hashed (SHA-256) and recorded once, for good.

    FOLDER/labels/SHA256.SUFFIX   copies, never changed
    FOLDER/records.jsonl          one line per event, only ever appended to

A second label of a case is a new version beside the old one, also where another reader marked the very same;
quarantine, release, withdrawal and what was decided between readers are records. A copy is on disk before the line
that names it, and the line before anybody is told: after a crash every acknowledged label is there, with its facts. A
line that a crash cut short was acknowledged to nobody and is passed over. Before a line stands here it stands in the
audit trail of the same home.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from filelock import FileLock

from sam_infer.audit.line import Deed
from sam_infer.audit.trail import Trail
from sam_infer.files import append_line, file_sha256, read_lines, write_whole
from sam_infer.home import default_home
from sam_infer.imaging.image_file import suffix_of
from sam_trainer.errors import TrainingError
from sam_trainer.labels.quarantine import UNUSABLE, Doubt
from sam_trainer.studies import Studies

# What happened: accepted by a reader; accepted, but in doubt; the doubt dispelled by a person; withdrawn by a person,
# for good; no longer found in the studies; decided by a person where several readers had marked the case.
ACCEPTED, QUARANTINED, RELEASED, WITHDRAWN, GONE = "accepted", "quarantined", "released", "withdrawn", "gone"
ADJUDICATED = "adjudicated"

# Events after which a label teaches and judges.
STANDING = (ACCEPTED, RELEASED, ADJUDICATED)

# Events of a label that a reader made, and no decision between readers.
READ = (ACCEPTED, QUARANTINED, RELEASED)

RECORDS, LABELS = "records.jsonl", "labels"


@dataclass(frozen=True)
class Record:
    """One event of one case's label."""

    event: str
    case: str
    version: int  # of the case's label, from 1
    label_sha256: str
    suffix: str
    when: str  # ISO 8601, UTC
    facts: Mapping[str, Any] = field(default_factory=dict)  # who, which model and adapter proposed it, doubts

    @property
    def names(self) -> dict[int, str]:
        """What the label's values are called, as far as its reader said."""
        return {int(value): str(name) for value, name in (self.facts.get("labels") or {}).items()}

    @property
    def reader(self) -> str:
        """Who accepted it, where anybody was told; who brings a label of another tool along did not read the case."""
        return "" if self.facts.get("imported") else str(self.facts.get("reader") or "")

    @property
    def doubts(self) -> list[dict[str, Any]]:
        """Why the label is in quarantine."""
        return list(self.facts.get("doubts") or [])


class Ledger:
    """The record of one studies folder or archive; any number of processes may write to it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._trail = Trail.of(folder.parent.parent)  # of the home that it lies in, see `of`

    @classmethod
    def of(cls, studies: Studies, home: Path | None = None) -> Ledger:
        """The ledger of a folder or of an archive."""
        return cls((home or default_home()) / "ledger" / studies.key)

    def records(self) -> list[Record]:
        """Everything that happened, in order."""
        found = []
        for facts in read_lines(self.folder / RECORDS):
            with suppress(TypeError):  # of another version
                found.append(Record(**facts))
        return found

    def last(self) -> dict[str, Record]:
        """The newest event of every case."""
        return {record.case: record for record in self.records()}

    def standing(self) -> dict[str, Record]:
        """The newest label of every case, where it counts; an older one never takes the place of one in doubt."""
        return {case: record for case, record in self.last().items() if record.event in STANDING}

    def quarantine(self) -> dict[str, Record]:
        """The labels that wait for somebody to look at them."""
        return {case: record for case, record in self.last().items() if record.event == QUARANTINED}

    def label(self, record: Record) -> Path:
        """The copy of a record's label, its content checked."""
        path = self._copy(record.label_sha256, record.suffix)
        if not path.is_file() or file_sha256(path) != record.label_sha256:
            raise TrainingError(f"the ledger's label of {record.case} is missing or was changed: submit it again")
        return path

    def accept(self, case: str, label: Path, facts: Mapping[str, Any], doubts: Sequence[Doubt] = ()) -> Record:
        """Record a label, in quarantine where there are doubts.

        The same label again changes nothing, nor does one that a person withdrew; one that a person released stays so.
        That another reader marks the same is a label of its own.
        """
        sha256, suffix = file_sha256(label), suffix_of(label)
        with self._alone():
            before = [record for record in self.records() if record.case == case]
            if before and known(before[-1], sha256, facts):
                return before[-1]
            self._keep(label, self._copy(sha256, suffix))
            version = 1 + max((record.version for record in before), default=0)
            released = any(record.event == RELEASED and record.label_sha256 == sha256 for record in before)
            held = bool(doubts) and not released
            told = {**facts, "doubts": [doubt.facts() for doubt in doubts]} if held else dict(facts)
            event = QUARANTINED if held else ACCEPTED
            return self._append(Record(event, case, version, sha256, suffix, _now(), told))

    def adjudicate(self, case: str, label: Path, facts: Mapping[str, Any]) -> Record:
        """Record what was decided between readers; a label that one of them made keeps the number of its version."""
        sha256, suffix = file_sha256(label), suffix_of(label)
        with self._alone():
            before = [record for record in self.records() if record.case == case]
            self._keep(label, self._copy(sha256, suffix))
            same = next((record.version for record in before if record.label_sha256 == sha256), None)
            version = same or 1 + max((record.version for record in before), default=0)
            return self._append(Record(ADJUDICATED, case, version, sha256, suffix, _now(), dict(facts)))

    def release(self, case: str, facts: Mapping[str, Any]) -> Record:
        """Record that a person looked at a label in quarantine and found it good."""
        with self._alone():
            held = self.quarantine().get(case)
            if held is None:
                raise TrainingError(f"no label of {case!r} is in quarantine: there is nothing to release", "case")
            for doubt in held.doubts:
                if doubt["reason"] in UNUSABLE:
                    raise TrainingError(
                        f"{doubt['sentence']}; nothing can be learned from it as it is: submit a corrected one", "case"
                    )
            return self._append(replace(held, event=RELEASED, when=_now(), facts={**held.facts, **facts}))

    def withdraw(self, case: str, facts: Mapping[str, Any], event: str = WITHDRAWN) -> Record:
        """Record that a case's label does not count any more."""
        with self._alone():
            last = self.last().get(case)
            if last is None or last.event not in (*STANDING, QUARANTINED):
                raise TrainingError(f"there is no accepted label of {case!r} to withdraw", "case")
            return self._append(replace(last, event=event, when=_now(), facts=dict(facts)))

    def _copy(self, sha256: str, suffix: str) -> Path:
        return self.folder / LABELS / f"{sha256}{suffix}"

    def _keep(self, label: Path, copy: Path) -> None:
        if copy.exists():
            return

        def write(part: Path) -> None:
            shutil.copyfile(label, part)
            part.chmod(0o444)

        write_whole(copy, write, durable=True)

    def _append(self, record: Record) -> Record:
        how = f"version {record.version}"
        self._trail.add(Deed(f"label {record.event}", record.case, record.label_sha256, how))
        append_line(self.folder / RECORDS, asdict(record))
        return record

    @contextmanager
    def _alone(self) -> Iterator[None]:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with FileLock(str(self.folder / ".lock")):
                yield
        except OSError as error:
            raise TrainingError(
                f"the ledger could not be written ({error.strerror or error}): free some space"
            ) from error


def known(last: Record, sha256: str, facts: Mapping[str, Any]) -> bool:
    """Whether a label is the one that a case's newest record tells of, and not another reader's who marked the same."""
    if last.event == GONE or last.label_sha256 != sha256:
        return False
    told = Record("", last.case, 0, "", "", "", facts).reader
    return last.event not in READ or not told or not last.reader or told == last.reader


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
