"""Table of case scores, one JSON line per case, shared between processes: request paths read it and compute nothing.

A line says which adapter, method and image it is about. The newest line of a case counts; one of another adapter or
method is stale, and still better than nothing.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import structlog
from filelock import FileLock

from sam_infer.files import append_line, read_lines, write_whole
from sam_infer.home import default_home
from sam_trainer.studies import Studies

if TYPE_CHECKING:  # the words of strategies are read before torch is loaded
    from sam_infer.uncertainty.case_score import CaseScore

log = structlog.get_logger(__name__)

TABLE = "scores.jsonl"

# Lines per case before the file is written anew.
CROWDED = 4


@dataclass(frozen=True)
class Scored:
    """One case's score and what it was made with."""

    case: str
    adapter: str
    method: str
    seed: int
    when: str  # ISO 8601, UTC
    image: str  # changes when the image file does
    value: float | None  # None: embedded only, there was no accepted label to go by
    labels: Mapping[str, float]
    expected_dice: Mapping[str, float]
    slices: tuple[int, ...]
    found_mm3: float
    looks: tuple[float, ...]
    pull: tuple[float, ...]

    @classmethod
    def of(cls, case: str, score: CaseScore, **made: Any) -> Scored:
        """A score with what it was made with."""
        return cls(
            case=case,
            value=score.value,
            labels=dict(score.labels),
            expected_dice=dict(score.expected_dice),
            slices=score.slices,
            found_mm3=score.found_mm3,
            looks=_short(score.looks),
            pull=_short(score.pull),
            **made,
        )

    def stale(self, adapter: str, method: str) -> bool:
        """Whether it was made by another network or another measure."""
        return (self.adapter, self.method) != (adapter, method)


class ScoreTable:
    """The scores of one studies folder; any number of processes may read and write it."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / TABLE
        self._lock = threading.Lock()
        self._stamp: tuple[int, int] | None = None
        self._known: dict[str, Scored] = {}

    @classmethod
    def of(cls, studies: Studies, home: Path | None = None) -> ScoreTable:
        """The table of a folder or of an archive."""
        return cls((home or default_home()) / "scores" / studies.key)

    def all(self) -> dict[str, Scored]:
        """The newest score of every case; read again only when the file changed."""
        with self._lock:
            stamp = self._stamp_now()
            if stamp != self._stamp:
                self._known, self._stamp = self._read(), stamp
            return dict(self._known)

    def put(self, scored: Scored) -> None:
        """Keep a score: after a crash it is there whole or not at all."""
        self._file.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{self._file}.lock"):
            append_line(self._file, asdict(scored))

    def tidy(self, cases: Collection[str]) -> None:
        """Drop what is superseded or about cases that are gone, once there is much of it."""
        if not self._file.exists():
            return
        with FileLock(f"{self._file}.lock"):
            kept = {name: scored for name, scored in self._read().items() if name in cases}
            if len(self._file.read_bytes().splitlines()) <= CROWDED * max(len(kept), 1):
                return
            write_whole(self._file, "".join(json.dumps(asdict(scored)) + "\n" for scored in kept.values()))

    def _stamp_now(self) -> tuple[int, int] | None:
        try:
            stat = self._file.stat()
        except OSError:
            return None
        return stat.st_size, stat.st_mtime_ns

    def _read(self) -> dict[str, Scored]:
        found: dict[str, Scored] = {}
        for facts in read_lines(self._file):
            try:
                for name in ("slices", "looks", "pull"):
                    facts[name] = tuple(facts[name])
                scored = Scored(**facts)
            except (KeyError, TypeError):  # of another version
                continue
            found[scored.case] = scored
        return found


def _short(vector: tuple[float, ...]) -> tuple[float, ...]:
    """Five digits say all that a distance needs."""
    return tuple(float(f"{v:.5g}") for v in vector)
