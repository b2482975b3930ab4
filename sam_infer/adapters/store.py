"""Adapter store: one content-addressed folder per adapter, and per model one pointer to the promoted version.

    HOME/adapters/MODEL/ID/adapter.safetensors   never changes once it is there
    HOME/adapters/MODEL/ID/verdict.json          how it was judged
    HOME/adapters/MODEL/promoted.json            the pointer, with everything it pointed to before
    HOME/adapters/MODEL/ranker-ID.json           what one click means, calibrated on accepted labels

An adapter's folder appears whole: it is filled beside its place and moved. The pointer is replaced in one move, so a
reader sees the old adapter or the new one; before it moves, the audit trail of the same home says so. Candidates that
were not promoted stay where they are.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from filelock import FileLock

from sam_infer.adapters.adapter import Adapter, content_id
from sam_infer.adapters.ids import ADAPTER_FILE, found_id
from sam_infer.audit.line import PROMOTED, ROLLED_BACK, Deed
from sam_infer.audit.trail import Trail
from sam_infer.errors import AdapterError
from sam_infer.files import write_whole
from sam_infer.home import default_home
from sam_infer.weights.available import SHOWN_DIGITS

VERDICT_FILE, POINTER_FILE = "verdict.json", "promoted.json"

# Who moves the pointer, as the audit trail says it: the reasons are people's words, and not for it.
BY_HAND, BY_GATE, BY_ALARM = "by hand", "by the gate", "by itself, after an alarm"

# Pointer moves that are remembered.
HISTORY = 200


@dataclass(frozen=True)
class Move:
    """One move of the pointer."""

    adapter: str | None  # None: the network without an adapter
    when: str  # ISO 8601, UTC
    why: str
    back: bool = False  # a rollback: undoes the last move that was none


@dataclass(frozen=True)
class Pointer:
    """Which adapter serves, and which served before, the latest last."""

    adapter: str | None = None
    history: tuple[Move, ...] = ()

    @property
    def promoted(self) -> list[str]:
        """Adapters that were promoted and not taken back, each once, the last promoted first."""
        return list(dict.fromkeys(name for name in reversed(_trail(self)) if name is not None))


@dataclass(frozen=True)
class StoredAdapter:
    """One adapter on disk."""

    id: str
    path: Path
    stored: datetime


class AdapterStore:
    """The adapters of one model; holds no state, so any number of processes may use one folder."""

    def __init__(self, model: str, home: Path | None = None) -> None:
        self.model = model
        self.folder = (home or default_home()) / "adapters" / model
        self._trail = Trail.of(home)

    def put(self, adapter: Adapter) -> str:
        """Keep an adapter; its id. The same adapter is kept once."""
        if adapter.provenance.model != self.model:
            raise AdapterError(f"an adapter of {adapter.provenance.model} does not belong to {self.model}", "model")
        data = adapter.to_bytes()
        name = content_id(data)
        if (self.folder / name).is_dir():
            return name
        self.folder.mkdir(parents=True, exist_ok=True)
        part = Path(tempfile.mkdtemp(prefix=".put-", dir=self.folder))
        try:
            write_whole(part / ADAPTER_FILE, data, durable=True)
            part.chmod(0o755)
            part.rename(self.folder / name)
        except OSError as error:
            shutil.rmtree(part, ignore_errors=True)
            if not (self.folder / name).is_dir():
                raise AdapterError(f"the adapter could not be stored ({error.strerror}): free some space") from error
        return name

    def adapters(self) -> list[StoredAdapter]:
        """Every adapter, the oldest first."""
        folders = [path for path in self.folder.glob("*/") if not path.name.startswith(".")]
        files = [(path.name, path / ADAPTER_FILE) for path in folders if (path / ADAPTER_FILE).is_file()]
        found = [StoredAdapter(name, file, datetime.fromtimestamp(file.stat().st_mtime, UTC)) for name, file in files]
        return sorted(found, key=lambda stored: (stored.stored, stored.id))

    def find(self, beginning: str) -> str:
        """The id that begins like this; refused when there is none or more than one."""
        return found_id(self.model, [stored.id for stored in self.adapters()], beginning)

    def get(self, name: str) -> Adapter:
        """The adapter of an id, its content checked."""
        try:
            data = (self.folder / name / ADAPTER_FILE).read_bytes()
        except OSError as error:
            raise AdapterError(f"adapter {name[:SHOWN_DIGITS]} is missing: promote another one", "adapter") from error
        if content_id(data) != name:
            raise AdapterError(
                f"adapter {name[:SHOWN_DIGITS]} was changed or is damaged: promote another one or train again",
                "adapter",
            )
        return Adapter.from_bytes(data)

    def write_verdict(self, name: str, verdict: Mapping[str, Any]) -> None:
        """Keep how an adapter was judged, beside it."""
        write_beside(self.folder / name / VERDICT_FILE, json.dumps(verdict, indent=1) + "\n")

    def verdict(self, name: str) -> dict[str, Any] | None:
        """How an adapter was judged; None when it was not."""
        try:
            found = json.loads((self.folder / name / VERDICT_FILE).read_text())
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            raise AdapterError(f"the verdict on adapter {name[:SHOWN_DIGITS]} cannot be read: {error}") from error
        return found if isinstance(found, dict) else None

    def pointer(self) -> Pointer:
        """Where the pointer is."""
        try:
            facts = json.loads((self.folder / POINTER_FILE).read_text())
            return Pointer(facts["adapter"], tuple(Move(**move) for move in facts["history"]))
        except FileNotFoundError:
            return Pointer()
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise AdapterError(
                f"the pointer to the adapter of {self.model} is damaged: promote an adapter again", "adapter"
            ) from error

    def stamp(self) -> tuple[int, int] | None:
        """Changes whenever the pointer moves; costs one `stat`."""
        try:
            stat = (self.folder / POINTER_FILE).stat()
        except OSError:
            return None
        return stat.st_mtime_ns, stat.st_ino

    def promote(self, name: str, why: str, by: str = BY_HAND) -> str:
        """Serve an adapter from the next click on; its id. A damaged one is refused."""
        name = self.find(name)
        self.get(name)
        with self._alone():
            self._trail.add(Deed(PROMOTED, self.model, name, by))
            self._move(Move(name, _now(), why))
        return name

    def rollback(self, why: str, by: str = BY_HAND) -> str | None:
        """Serve what served before the adapter that serves now; its id, None for the network without one."""
        with self._alone():
            now = self.pointer()
            if now.adapter is None:
                raise AdapterError(f"{self.model} is served without an adapter: there is nothing to go back from")
            before = _before(now)
            if before is not None:
                self.get(before)
            self._trail.add(Deed(ROLLED_BACK, self.model, before or "", by))
            self._move(Move(before, _now(), why, back=True))
        return before

    def _move(self, move: Move) -> None:
        try:
            history = self.pointer().history
        except AdapterError:  # damaged: this move mends it
            history = ()
        pointer = Pointer(move.adapter, (*history, move)[-HISTORY:])
        write_beside(self.folder / POINTER_FILE, json.dumps(asdict(pointer), indent=1) + "\n")

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Only one process moves the pointer at a time; readers need no lock."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with FileLock(str(self.folder / ".lock")):
            yield


def _before(pointer: Pointer) -> str | None:
    """What a rollback goes back to: going back twice goes back two steps, not forth again."""
    trail = _trail(pointer)
    return trail[-2] if len(trail) > 1 else None


def _trail(pointer: Pointer) -> list[str | None]:
    """What served one after the other, without what was taken back; at first no adapter did."""
    trail: list[str | None] = [None]
    for move in pointer.history:
        if not move.back:
            trail.append(move.adapter)
        elif len(trail) > 1:
            trail.pop()
    return trail


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def write_beside(path: Path, text: str) -> None:
    """Write a small file about an adapter, or a sentence on why not."""
    try:
        write_whole(path, text, durable=True)
    except OSError as error:
        raise AdapterError(f"{path.name} could not be written ({error.strerror}): free some space") from error
