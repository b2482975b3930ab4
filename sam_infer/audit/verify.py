"""Verification of an audit trail: every line that is gone, changed or out of its place, by its number.

What this proves: nobody changed lines without making all later ones and the head anew. Who can write to the folder
could do that; a head that was kept elsewhere (`N:HASH`) finds it.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from sam_infer.audit.line import FOUND_CHANGED, FOUND_CUT, HEAD_MISSING, NOTHING, Line
from sam_infer.audit.trail import Trail
from sam_infer.errors import AuditError

_KEPT = re.compile(r"([0-9]{1,15}):([0-9a-f]{64})")


@dataclass(frozen=True)
class Anchor:
    """A line that must be there with this hash, and who says so."""

    number: int
    hash: str
    said_by: str = "the head"

    @classmethod
    def kept(cls, text: str) -> Anchor:
        """A head that somebody kept, as `audit export` printed it."""
        found = _KEPT.fullmatch(text.strip())
        if found is None:
            raise AuditError("a head is NUMBER:HASH, as `samlabel audit export` prints it", "head")
        return cls(int(found[1]), found[2], "the head that was kept")


@dataclass
class _Seen:
    """The lines of a trail, as far as they can be compared."""

    order: list[int] = field(default_factory=list)  # of sound lines, as they stand
    links: dict[int, tuple[str, str]] = field(default_factory=dict)  # number: hash, hash before
    broken: dict[int, str] = field(default_factory=dict)  # number that it must have had: where
    told: list[str] = field(default_factory=list)  # what the trail itself says

    @property
    def next(self) -> int:
        """The number that the next line must have."""
        return max([*self.order[-1:], *self.broken], default=0) + 1

    def take(self, raw: bytes, where: str) -> None:
        """One more line."""
        line = Line.read(raw)
        if line is None:
            self.broken[self.next] = where
            return
        self.order.append(line.number)
        self.links.setdefault(line.number, (line.hash, line.before))
        if line.what in (FOUND_CUT, FOUND_CHANGED, HEAD_MISSING):
            self.told.append(f"line {line.number} says that at {line.when} the {line.what} was found: {line.how}")


@dataclass(frozen=True)
class Verified:
    """How many lines there are, and what is wrong with them."""

    lines: int
    last: str  # NUMBER:HASH of the last one
    faults: tuple[str, ...]


def verify_trail(trail: Trail, kept: Iterable[Anchor] = ()) -> Verified:
    """Check a whole trail against its head, and against heads that were kept elsewhere."""
    head, anchors, faults = trail.head(), list(kept), []
    if head is not None:
        anchors.append(Anchor(head.lines, head.hash))
    elif trail.files():
        faults.append("the head is missing: whether the tail was cut cannot be told")
    return _verified(trail.files(), anchors, faults)


def verify_export(file: Path, kept: Iterable[Anchor] = ()) -> Verified:
    """Check a file that `audit export` wrote; only a head that was kept tells whether its tail is there."""
    return _verified([file], list(kept), [])


def _verified(files: Iterable[Path], anchors: list[Anchor], faults: list[str]) -> Verified:
    seen, counted = _Seen(), max((anchor.number for anchor in anchors), default=0)
    for path in files:
        for row, raw in enumerate(path.read_bytes().splitlines(keepends=True), 1):
            # what a kill or a writer in this moment leaves at the end was acknowledged to nobody
            if raw.endswith(b"\n") or seen.next <= counted:
                seen.take(raw, f"{path.name}, row {row}")
    faults += [*_changed(seen), *_misplaced(seen), *_missing(seen, anchors), *_unanchored(seen, anchors), *seen.told]
    last = max(seen.links, default=0)
    return Verified(len(seen.order), f"{last}:{seen.links[last][0] if last else NOTHING}", tuple(faults))


def _changed(seen: _Seen) -> Iterator[str]:
    for number, where in sorted(seen.broken.items()):
        yield f"line {number} was changed ({where})"
    for number, (_, before) in sorted(seen.links.items()):
        earlier = (NOTHING, "") if number == 1 else seen.links.get(number - 1)
        if earlier is not None and earlier[0] != before:
            yield f"line {number - 1} was changed: line {number} names another hash"


def _misplaced(seen: _Seen) -> Iterator[str]:
    order = list(dict.fromkeys(seen.order))
    wrong = [there for there, right in zip(order, sorted(order), strict=True) if there != right]
    if wrong:
        yield f"lines {', '.join(map(str, wrong))} stand in the wrong order: they were swapped"
    for number, times in sorted(Counter(seen.order).items()):
        if times > 1:
            yield f"line {number} is there {times} times"


def _missing(seen: _Seen, anchors: list[Anchor]) -> Iterator[str]:
    here = set(seen.links) | set(seen.broken)
    last, end = max(here, default=0), max([anchor.number for anchor in anchors], default=0)
    for first, until in _runs(set(range(1, last)) - here):
        yield f"{_named(first, until)} deleted"
    if end > last:
        said = next(anchor.said_by for anchor in anchors if anchor.number == end)
        yield f"the tail was cut: {_named(last + 1, end)} deleted, which {said} counts"


def _unanchored(seen: _Seen, anchors: list[Anchor]) -> Iterator[str]:
    for anchor in anchors:
        found = seen.links.get(anchor.number)
        if found is not None and found[0] != anchor.hash:
            yield f"line {anchor.number} is not the one that {anchor.said_by} names: it or one before it was changed"


def _runs(numbers: set[int]) -> Iterator[tuple[int, int]]:
    """First and last of each stretch without a gap."""
    first = None
    for number in sorted(numbers):
        first = number if first is None else first
        if number + 1 not in numbers:
            yield first, number
            first = None


def _named(first: int, last: int) -> str:
    return f"line {first} was" if first == last else f"lines {first} to {last} were"
