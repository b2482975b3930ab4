"""Every label that was ever accepted: copied, hashed, and recorded once, for good.

    FOLDER/labels/SHA256.SUFFIX   copies, never changed
    FOLDER/records.jsonl          one line per event, only ever appended to

A second label of a case is a new version beside the old one, a withdrawal is a record. A copy is on disk before the
line that names it, and the line before anybody is told: after a crash every acknowledged label is there, with its
facts. A line that a crash cut short was acknowledged to nobody and is passed over.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from hashlib import blake2b
from pathlib import Path
from typing import Any

from filelock import FileLock

from sam_infer.checkpoint import file_sha256
from sam_infer.image_file import suffix_of
from sam_infer.model_store import default_home
from sam_trainer.label_round import AcceptedLabel
from sam_trainer.pretrain_config import TrainingError

# What happened: accepted by a reader; withdrawn by a person, for good; no longer found in the studies.
ACCEPTED, WITHDRAWN, GONE = "accepted", "withdrawn", "gone"

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
    facts: Mapping[str, Any] = field(default_factory=dict)  # who, and which model and adapter proposed it


class Ledger:
    """The record of one studies folder or archive; any number of processes may write to it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @classmethod
    def of(cls, studies: str, home: Path | None = None) -> Ledger:
        """The ledger of a folder or of an archive's address."""
        local = "://" not in studies
        where = str(Path(studies).resolve()) if local else studies.rstrip("/")
        name = Path(where).name if local else "archive"
        return cls((home or default_home()) / "ledger" / f"{name}-{blake2b(where.encode(), digest_size=4).hexdigest()}")

    def records(self) -> list[Record]:
        """Everything that happened, in order."""
        path = self.folder / RECORDS
        lines = path.read_text().splitlines() if path.exists() else []
        found = []
        for line in lines:
            try:
                found.append(Record(**json.loads(line)))
            except (ValueError, TypeError):  # cut short by a crash
                continue
        return found

    def standing(self) -> dict[str, Record]:
        """The newest accepted label of every case whose label was not taken back."""
        last = {record.case: record for record in self.records()}
        return {case: record for case, record in last.items() if record.event == ACCEPTED}

    def label(self, record: Record) -> Path:
        """The copy of a record's label, its content checked."""
        path = self._copy(record.label_sha256, record.suffix)
        if not path.is_file() or file_sha256(path) != record.label_sha256:
            raise TrainingError(f"the ledger's label of {record.case} is missing or was changed: submit it again")
        return path

    def accept(self, case: str, label: Path, facts: Mapping[str, Any]) -> Record:
        """Record a label; the same label again changes nothing, nor does one that a person withdrew."""
        sha256, suffix = file_sha256(label), suffix_of(label)
        with self._alone():
            before = [record for record in self.records() if record.case == case]
            if before and before[-1].label_sha256 == sha256 and before[-1].event != GONE:
                return before[-1]
            self._keep(label, self._copy(sha256, suffix))
            version = 1 + max((record.version for record in before), default=0)
            return self._append(Record(ACCEPTED, case, version, sha256, suffix, _now(), dict(facts)))

    def withdraw(self, case: str, facts: Mapping[str, Any], event: str = WITHDRAWN) -> Record:
        """Record that a case's label does not count any more."""
        with self._alone():
            standing = self.standing().get(case)
            if standing is None:
                raise TrainingError(f"there is no accepted label of {case!r} to withdraw", "case")
            return self._append(replace(standing, event=event, when=_now(), facts=dict(facts)))

    def recorded(self, accepted: Sequence[AcceptedLabel], present: Sequence[str]) -> list[AcceptedLabel]:
        """These labels as the ledger's own copies, all of them recorded; those not `present` any more are gone."""
        names = [entry.case.name for entry in accepted]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise TrainingError(f"two images are called {twice!r}: give one studies folder at a time", "studies")
        for entry in accepted:
            self.accept(entry.case.name, entry.case.label, entry.facts)
        for case in sorted(set(self.standing()) - set(present)):
            self.withdraw(case, {"why": "no longer in the studies"}, GONE)
        standing = self.standing()
        return [
            replace(entry, case=replace(entry.case, label=self.label(standing[entry.case.name])))
            for entry in accepted
            if entry.case.name in standing
        ]

    def _copy(self, sha256: str, suffix: str) -> Path:
        return self.folder / LABELS / f"{sha256}{suffix}"

    def _keep(self, label: Path, copy: Path) -> None:
        if copy.exists():
            return
        copy.parent.mkdir(parents=True, exist_ok=True)
        handle, part = tempfile.mkstemp(prefix=".", dir=copy.parent)
        try:
            with os.fdopen(handle, "wb") as target, label.open("rb") as source:
                shutil.copyfileobj(source, target)
                target.flush()
                os.fsync(target.fileno())
            Path(part).chmod(0o444)
            Path(part).replace(copy)
        finally:
            Path(part).unlink(missing_ok=True)

    def _append(self, record: Record) -> Record:
        path = self.folder / RECORDS
        torn = path.exists() and path.stat().st_size > 0 and not path.read_bytes().endswith(b"\n")
        with path.open("ab") as file:
            file.write(b"\n" * torn + json.dumps(asdict(record)).encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())
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


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
