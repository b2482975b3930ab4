"""Audit trail: append-only files of chained lines, and a head that says how many there are.

    HOME/audit/000000000001.jsonl   lines, from the number in the name on; a full file is followed by the next one
    HOME/audit/head.json            count and hash of the last line: a tail that was cut off is missed

Any number of processes append, one at a time. A line is on the disk before the head that counts it, and both before
anybody is told. What a kill leaves behind is a line that the head does not count yet: it is counted by the next one
that is written, or removed, and that recorded, where it is not whole. A trail that somebody was at goes on, says so in
a line of its own, and is never straightened out: `verify.py` finds the place.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from filelock import FileLock

from sam_infer.audit.actor import Actor, speaking
from sam_infer.audit.line import FOUND_CHANGED, FOUND_CUT, HEAD_MISSING, MENDED, NOTHING, Deed, Line
from sam_infer.errors import AuditError
from sam_infer.files import write_whole
from sam_infer.home import default_home

HEAD, LINES = "head.json", "*.jsonl"

# Others write a line in a few milliseconds; the usual 50 would starve who waits beside a busy writer.
POLL_S = 0.005

# A file of some twenty thousand lines is followed by the next one.
FULL_BYTES = 8 << 20


@dataclass(frozen=True)
class Head:
    """Where a trail ends."""

    lines: int
    hash: str
    file: str
    bytes: int  # of that file

    def __str__(self) -> str:
        """As `audit export` prints it, to be kept elsewhere."""
        return f"{self.lines}:{self.hash}"


class Trail:
    """The trail of one home."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @classmethod
    def of(cls, home: Path | None = None) -> Trail:
        """The trail of a home, or of this user's."""
        return cls((home or default_home()) / "audit")

    def add(self, deed: Deed, actor: Actor | None = None) -> Line:
        """Write a line and wait until it is on the disk; done by whoever this process works for, unless told."""
        actor = actor or speaking()
        with self._alone():
            head, found = self._end()
            for told in (*found, deed):
                line = Line.of(head.lines + 1, _now(), actor, told, head.hash)
                head = self._written(head, line)
            return line

    def head(self) -> Head | None:
        """Where the trail ends by its own account; None when it says nothing, or nothing that can be read."""
        try:
            return Head(**json.loads((self.folder / HEAD).read_text()))
        except (OSError, ValueError, TypeError):
            return None

    def files(self) -> list[Path]:
        """The files with lines, the oldest first."""
        return sorted(self.folder.glob(LINES))

    def lines(self) -> Iterator[Line]:
        """Every line that has its own hash, as the files hold them."""
        for path in self.files():
            for raw in path.read_bytes().splitlines():
                line = Line.read(raw)
                if line is not None:
                    yield line

    def _written(self, head: Head, line: Line) -> Head:
        """Line first, head second: what the head counts is there."""
        raw = line.written()
        path = self.folder / head.file
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600), "ab") as file:
            file.write(raw)
            file.flush()
            os.fsync(file.fileno())
        return self._counted(Head(line.number, line.hash, head.file, head.bytes + len(raw)))

    def _counted(self, head: Head) -> Head:
        write_whole(self.folder / HEAD, json.dumps(asdict(head)) + "\n", durable=True)
        return head

    def _end(self) -> tuple[Head, list[Deed]]:
        """Where the next line goes, and what must be said of the trail before it."""
        head, found = self.head(), []
        if head is None:
            head = self._last()
            if head.lines or head.bytes:
                found.append(Deed(HEAD_MISSING, how="what was cut off before this line cannot be told"))
            head = self._counted(head)  # before the first line: from now on a missing head means something
        while True:
            head, more = self._caught_up(head)
            found += more
            if head.bytes < FULL_BYTES:
                return head, found
            head = replace(head, file=_name(head.lines + 1), bytes=0)

    def _last(self) -> Head:
        """The head that a trail without one should have."""
        line = max(self.lines(), key=lambda line: line.number, default=None)
        files = self.files()
        if not files:
            return Head(0, NOTHING, _name(1), 0)
        size = files[-1].stat().st_size
        number, hashed = (line.number, line.hash) if line else (0, NOTHING)
        return Head(number, hashed, files[-1].name, size)

    def _caught_up(self, head: Head) -> tuple[Head, list[Deed]]:
        """The head after what lies behind it in its file, and what was found there."""
        path = self.folder / head.file
        size = path.stat().st_size if path.exists() else 0
        if size == head.bytes:
            return head, []
        if size < head.bytes:
            missing = f"{head.bytes - size} bytes are missing in {head.file}"
            return replace(head, bytes=self._closed(path)), [Deed(FOUND_CUT, how=missing)]
        with path.open("rb") as file:
            file.seek(head.bytes)
            rest = file.read()
        found: list[Deed] = []
        for raw in rest.splitlines(keepends=True):
            line = Line.read(raw)
            if line is not None and (line.number, line.before) == (head.lines + 1, head.hash):
                head = replace(head, lines=line.number, hash=line.hash, bytes=self._closed(path, raw, head.bytes))
            elif raw.endswith(b"\n"):
                found.append(Deed(FOUND_CHANGED, how=f"a line that does not belong there was in {head.file}"))
                head = replace(head, bytes=head.bytes + len(raw))
            else:
                os.truncate(path, head.bytes)
                how = f"{len(raw)} bytes of a line that was cut short were removed"
                found.append(Deed(MENDED, head.file, hashlib.sha256(raw).hexdigest(), how))
        return head, found

    def _closed(self, path: Path, raw: bytes = b"", start: int = 0) -> int:
        """The size of a file up to a piece of it, whose line is ended where that is missing."""
        if not path.exists():
            return 0
        if raw.endswith(b"\n"):
            return start + len(raw)
        content = path.read_bytes()
        if content and not content.endswith(b"\n"):
            with path.open("ab") as file:
                file.write(b"\n")
        return path.stat().st_size

    @contextmanager
    def _alone(self) -> Iterator[None]:
        try:
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            with FileLock(str(self.folder / ".lock")).acquire(poll_interval=POLL_S):
                yield
        except OSError as error:
            raise AuditError(
                f"the audit trail could not be written ({error.strerror or error}), and what it cannot record is not "
                "done: free some space, or look who may write there"
            ) from error


def _name(number: int) -> str:
    return f"{number:012d}.jsonl"


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
