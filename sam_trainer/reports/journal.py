"""Checkpoint of a bench: what was measured, unit by unit, so that a run that was interrupted goes on.

A unit is what can be measured by itself: an object, a training, a project. What it came to is kept as JSON beside the
result file, and read back as JSON even where it was just measured: a run that goes on ends in the same rows.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from sam_infer.files import append_line, read_lines
from sam_trainer.errors import TrainingError

SUFFIX = ".journal"

# What is being measured, how many units of this session are done, and of how many.
Told = Callable[[str, int, int], None]


class Journal:
    """Units of one run; `path` None keeps them in memory only."""

    def __init__(
        self,
        path: Path | None = None,
        origin: Mapping[str, Any] | None = None,
        resume: bool = False,
        told: Told = lambda words, done, of: None,
    ) -> None:
        self._path = path
        self._told = told
        self._known: dict[str, Any] = {}
        self._waiting: set[str] = set()
        self._done = 0
        self._began = time.monotonic()
        self.seconds_before = 0.0
        if path is not None:
            self._open(path, dict(origin or {}), resume)

    def expect(self, keys: list[str]) -> None:
        """Units that will be asked for: those that are not known yet are the work of this session."""
        self._waiting |= {key for key in keys if key not in self._known}

    @property
    def is_kept(self) -> bool:
        """Whether somebody can go on with it; what is only in memory ends with its run."""
        return self._path is not None

    def knows(self, key: str) -> bool:
        """Whether a unit is done."""
        return key in self._known

    def unit(self, key: str, work: Callable[[], Any]) -> Any:
        """What a unit came to, from an earlier session or measured now."""
        if key not in self._known:
            self.tell(key)
            self.keep(key, work())
        return self._known[key]

    def keep(self, key: str, value: Any) -> None:
        """A unit that is done."""
        plain = json.loads(json.dumps(value, default=_plain))
        if self._path is not None:
            seconds = round(self.seconds_before + time.monotonic() - self._began, 1)
            append_line(self._path, {"unit": key, "value": plain, "seconds": seconds})
        self._known[key] = plain
        if key in self._waiting:
            self._waiting.remove(key)
            self._done += 1
        self.tell(key)

    def close(self) -> None:
        """The result is whole and written: there is nothing to go on with."""
        if self._path is not None:
            self._path.unlink(missing_ok=True)

    def tell(self, key: str) -> None:
        """Say what is being done, and how much of the whole is."""
        self._told(key, self._done, self._done + len(self._waiting))

    def _open(self, path: Path, origin: dict[str, Any], resume: bool) -> None:
        lines = list(read_lines(path)) if resume else []
        if resume and not lines:
            raise TrainingError(
                f"there is no interrupted run beside {path.name.removesuffix(SUFFIX)} to go on with: start without "
                "--resume",
                "resume",
            )
        if not resume:
            path.unlink(missing_ok=True)
            append_line(path, {"origin": origin})
            return
        before = lines[0].get("origin", {})
        other = [name for name in sorted({*before, *origin}) if before.get(name) != origin.get(name)]
        if other:
            raise TrainingError(
                f"the interrupted run had another {' and '.join(other)}: go on with what it had, or start without "
                "--resume",
                "resume",
            )
        for line in lines[1:]:
            self._known[line["unit"]] = line["value"]
            self.seconds_before = line["seconds"]


def journal_of(result: Path) -> Path:
    """Where the units of a result file are kept while it is measured."""
    return result.with_name(result.name + SUFFIX)


def _plain(value: Any) -> Any:
    """Numbers and flags of numpy, and sets of words, as JSON knows them."""
    if isinstance(value, set | frozenset):
        return sorted(value)
    return value.item()
