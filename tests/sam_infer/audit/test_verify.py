"""Verification names the line that was deleted, changed or swapped, and a tail that was cut."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from sam_infer.audit import trail as module
from sam_infer.audit.actor import Actor
from sam_infer.audit.line import Deed, Line
from sam_infer.audit.trail import HEAD, Trail
from sam_infer.audit.verify import Anchor, verify_export, verify_trail
from sam_infer.errors import AuditError

Rows = list[bytes]


@pytest.fixture
def trail(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Trail:
    """Twelve lines in several files."""
    monkeypatch.setattr(module, "FULL_BYTES", 1200)
    trail = Trail(tmp_path / "audit")
    for n in range(12):
        trail.add(Deed("label accepted", f"case {n}"), Actor("ann", "10.0.0.7"))
    assert len(trail.files()) > 2
    return trail


def tampered(trail: Trail, change: Callable[[Rows], object]) -> tuple[str, ...]:
    """What verification says after the lines of all files were changed."""
    rows = [row for path in trail.files() for row in path.read_bytes().splitlines(keepends=True)]
    change(rows)
    sizes = [len(path.read_bytes().splitlines()) for path in trail.files()]
    for path, size in zip(trail.files(), sizes, strict=True):
        path.write_bytes(b"".join(rows[:size]))
        rows = rows[size:]
    return verify_trail(trail).faults


def changed(row: bytes, with_its_hash: bool = False) -> bytes:
    facts = json.loads(row)
    line = Line.read(row)
    assert line is not None
    if with_its_hash:
        deed = Deed(line.what, "case 99")
        return Line.of(line.number, line.when, Actor(line.who, line.whence), deed, line.before).written()
    return json.dumps({**facts, "who": "bob"}, sort_keys=True, separators=(",", ":")).encode() + b"\n"


def swap(rows: Rows, a: int, b: int) -> None:
    rows[a], rows[b] = rows[b], rows[a]


def put(rows: Rows, n: int, row: bytes) -> None:
    rows[n] = row


def test_a_trail_as_it_was_written(trail: Trail) -> None:
    found, head = verify_trail(trail), trail.head()
    assert (found.lines, found.faults) == (12, ()) and found.last == str(head)


def test_a_deleted_line(trail: Trail) -> None:
    assert tampered(trail, lambda rows: rows.pop(6)) == ("line 7 was deleted",)


def test_deleted_lines(trail: Trail) -> None:
    def delete(rows: Rows) -> None:
        del rows[4:7]

    assert tampered(trail, delete) == ("lines 5 to 7 were deleted",)


def test_a_changed_line(trail: Trail) -> None:
    (fault,) = tampered(trail, lambda rows: put(rows, 6, changed(rows[6])))
    assert fault.startswith("line 7 was changed (0")


def test_a_changed_line_with_a_new_hash(trail: Trail) -> None:
    faults = tampered(trail, lambda rows: put(rows, 6, changed(rows[6], with_its_hash=True)))
    assert faults == ("line 7 was changed: line 8 names another hash",)


def test_the_last_line_changed_with_a_new_hash(trail: Trail) -> None:
    faults = tampered(trail, lambda rows: put(rows, 11, changed(rows[11], with_its_hash=True)))
    assert faults == ("line 12 is not the one that the head names: it or one before it was changed",)


@pytest.mark.parametrize(("a", "b"), [(4, 5), (1, 9)])
def test_swapped_lines(trail: Trail, a: int, b: int) -> None:
    faults = tampered(trail, lambda rows: swap(rows, a, b))
    assert faults == (f"lines {b + 1}, {a + 1} stand in the wrong order: they were swapped",)


def test_a_line_twice(trail: Trail) -> None:
    assert "line 3 is there 2 times" in tampered(trail, lambda rows: rows.insert(7, rows[2]))


def test_a_cut_tail(trail: Trail) -> None:
    def cut(rows: Rows) -> None:
        del rows[10:]

    assert tampered(trail, cut) == ("the tail was cut: lines 11 to 12 were deleted, which the head counts",)


def test_a_tail_cut_within_a_line_and_a_file_that_is_gone(trail: Trail) -> None:
    last = trail.files()[-1]
    os.truncate(last, last.stat().st_size - 2)
    assert verify_trail(trail).faults[0].startswith("line 12 was changed")
    last.unlink()
    assert verify_trail(trail).faults[0].startswith(f"the tail was cut: lines {int(last.stem)} to 12 were deleted")


def test_who_makes_everything_anew_is_found_by_a_head_kept_elsewhere(trail: Trail, tmp_path: Path) -> None:
    kept = Anchor.kept(str(trail.head()))
    export = tmp_path / "export.jsonl"
    export.write_bytes(b"".join(path.read_bytes() for path in trail.files()))
    assert verify_export(export, [kept]).faults == ()
    for path in (*trail.files(), trail.folder / HEAD):
        path.unlink()
    for n in range(20):
        trail.add(Deed("label accepted", f"other {n}"), Actor("ann", "10.0.0.7"))
    assert verify_trail(trail).faults == ()
    (fault,) = verify_trail(trail, [kept]).faults
    assert fault.startswith("line 12 is not the one that the head that was kept names")
    short = tmp_path / "short.jsonl"
    short.write_bytes(b"".join(export.read_bytes().splitlines(keepends=True)[:9]))
    assert verify_export(short).faults == ()  # alone it cannot know
    assert "lines 10 to 12 were deleted, which the head that was kept counts" in verify_export(short, [kept]).faults[0]


def test_a_head_that_is_none_is_refused() -> None:
    with pytest.raises(AuditError, match="NUMBER:HASH"):
        Anchor.kept("12")
