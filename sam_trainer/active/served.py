"""Log of served cases: which case was given to whom and why (active or random control arm), one JSON line each.

A share of cases is drawn at random from those that seem to show something (the control arm), whatever the strategy:
what active learning is worth can only be said against that.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from filelock import FileLock

from sam_infer.files import append_line, read_lines
from sam_infer.home import default_home
from sam_trainer.studies import Studies

FILE = "served.jsonl"

ACTIVE, CONTROL, PLAIN = "active", "control", "plain"


@dataclass(frozen=True)
class Served:
    """One case that one reader was sent to."""

    case: str
    reader: str
    asked: str  # the strategy that was asked for
    strategy: str  # the one that decided
    arm: str  # active, control, or plain where nothing was compared
    adapter: str
    score: float | None
    when: str  # ISO 8601, UTC


class ServedCases:
    """The record of one studies folder; any number of processes may write to it."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / FILE

    @classmethod
    def of(cls, studies: Studies, home: Path | None = None) -> ServedCases:
        """The record of a folder or of an archive."""
        return cls(loop_folder(studies, home))

    def note(self, served: Served) -> None:
        """Append; the same case for the same reader again is not served twice."""
        last = next((one for one in reversed(self.all()) if one.case == served.case), None)
        if last is not None and last.reader == served.reader:
            return
        self._file.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{self._file}.lock"):
            append_line(self._file, asdict(served))

    def all(self) -> list[Served]:
        """Everything that was served, in order."""
        found = []
        for facts in read_lines(self._file):
            with suppress(TypeError):  # of another version
                found.append(Served(**facts))
        return found

    def arms(self) -> dict[str, str]:
        """The arm of every case, as it was served last."""
        return {one.case: one.arm for one in self.all()}


def loop_folder(studies: Studies, home: Path | None = None) -> Path:
    """Where the facts about the loop of a studies folder lie."""
    return (home or default_home()) / "loop" / studies.key


def draws_control(share: float, *told: object) -> bool:
    """Whether a case goes to the control arm: a fair draw that the same facts always decide alike."""
    digest = hashlib.sha256("|".join(map(str, ("samlabel control", *told))).encode()).digest()
    return int.from_bytes(digest[:8]) / 2**64 < share


def seed_of(*told: object) -> Sequence[int]:
    """A seed for numpy from facts."""
    return list(hashlib.sha256("|".join(map(str, told)).encode()).digest()[:16])


def now() -> str:
    """This moment."""
    return datetime.now(UTC).isoformat(timespec="seconds")
