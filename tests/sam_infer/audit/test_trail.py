"""The trail: lines are chained over files and kills, and what somebody did to its files is said, not mended."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path

import pytest

from sam_infer.audit import trail as module
from sam_infer.audit.actor import Actor
from sam_infer.audit.line import FOUND_CHANGED, FOUND_CUT, HEAD_MISSING, MENDED, NOTHING, Deed, Line
from sam_infer.audit.trail import HEAD, Trail
from sam_infer.audit.verify import verify_trail
from sam_infer.errors import AuditError
from tests.processes import apart, wait_until
from tests.sam_infer.audit.audits import write

ANN = Actor("ann", "10.0.0.7")
KILLS = int(os.environ.get("SAMLABEL_KILLS", "50"))


@pytest.fixture
def trail(tmp_path: Path) -> Trail:
    return Trail(tmp_path / "audit")


def filled(trail: Trail, count: int = 3) -> list[Line]:
    return [trail.add(Deed("label accepted", f"case {n}", "ab" * 32, "version 1"), ANN) for n in range(count)]


def test_a_line_says_who_did_what_and_names_the_line_before(trail: Trail) -> None:
    first, second, _ = written = filled(trail)
    assert list(trail.lines()) == written and verify_trail(trail).faults == ()
    assert (first.number, first.before, second.before) == (1, NOTHING, first.hash)
    assert (first.who, first.whence, first.what, first.subject) == ("ann", "10.0.0.7", "label accepted", "case 0")
    assert trail.files()[0].stat().st_mode & 0o777 == 0o600


def test_done_by_whoever_is_at_the_keyboard_unless_told(trail: Trail) -> None:
    line = trail.add(Deed("exported"))
    assert line.who and line.whence == "command line"


def test_a_full_file_is_followed_by_another_and_the_chain_goes_on(
    trail: Trail, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "FULL_BYTES", 1000)
    filled(trail, 9)
    assert [path.name for path in trail.files()][:2] == ["000000000001.jsonl", "000000000004.jsonl"]
    assert verify_trail(trail).faults == () and [line.number for line in trail.lines()] == list(range(1, 10))


def test_whatever_part_of_a_line_a_kill_leaves_the_next_one_goes_on(
    trail: Trail, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "FULL_BYTES", 1500)
    before = filled(trail)[-1]
    for n in range(40):
        head = trail.head()
        assert head is not None
        raw = Line.of(head.lines + 1, "now", ANN, Deed("label accepted", f"killed {n}"), head.hash).written()
        kept = raw[: 1 + n * len(raw) // 39]
        file = trail.folder / (head.file if head.bytes < 1500 else f"{head.lines + 1:012d}.jsonl")
        with file.open("ab") as stream:
            stream.write(kept)
        assert verify_trail(trail).faults == ()  # nobody was told of it
        after = trail.add(Deed("label accepted", f"after {n}"), ANN)
        whole = len(kept) >= len(raw) - 1  # but for the end of the line: it counts
        said = [line for line in trail.lines() if before.number < line.number < after.number]
        assert [line.what for line in said] == (["label accepted"] if whole else [MENDED])
        before = after
    assert verify_trail(trail).faults == ()


def test_a_trail_that_was_cut_goes_on_and_says_so(trail: Trail) -> None:
    filled(trail)
    file = trail.files()[0]
    os.truncate(file, file.stat().st_size - 500)
    line = trail.add(Deed("exported"), ANN)
    assert line.number == 5
    assert [line.what for line in trail.lines()][-2:] == [FOUND_CUT, "exported"]
    assert any("lines 2 to 3" in fault or "line 3 was" in fault for fault in verify_trail(trail).faults)


def test_a_strange_line_is_left_and_said(trail: Trail) -> None:
    filled(trail)
    with trail.files()[0].open("ab") as file:
        file.write(b'{"number": 4}\n')
    trail.add(Deed("exported"), ANN)
    assert [line.what for line in trail.lines()][-2:] == [FOUND_CHANGED, "exported"]
    assert verify_trail(trail).faults[0].startswith("line 4 was changed (000000000001.jsonl, row 4)")


def test_a_head_that_is_gone_is_made_anew_and_that_stays_known(trail: Trail) -> None:
    filled(trail)
    (trail.folder / HEAD).unlink()
    assert "the head is missing" in verify_trail(trail).faults[0]
    trail.add(Deed("exported"), ANN)
    assert [line.what for line in trail.lines()][-2:] == [HEAD_MISSING, "exported"]
    (fault,) = verify_trail(trail).faults
    assert fault.startswith("line 4 says that at 20")


def test_what_cannot_be_recorded_is_a_sentence(trail: Trail, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module.os, "fsync", full)
    with pytest.raises(AuditError, match=r"No space left.*what it cannot record is not done"):
        trail.add(Deed("exported"), ANN)


def lines_in(told: Path) -> list[str]:
    return told.read_text().split("\n")[:-1] if told.exists() else []


def enough(told: Path, count: int) -> bool:
    return len(lines_in(told)) >= count


def kill_writers(trail: Trail, folder: Path, kills: int) -> None:
    """Two writers at once, one of which is killed again and again."""
    told: set[str] = set()
    with apart(write, trail.folder, "bob", folder / "bob"):
        for turn in range(kills):
            file = folder / f"ann{turn}"
            with apart(write, trail.folder, f"ann{turn}", file):
                wait_until(partial(enough, file, 1 + turn % 4), "lines were written", every_s=0.001)
            told |= set(lines_in(file))
            assert verify_trail(trail).faults == ()
    told |= set(lines_in(folder / "bob"))
    trail.add(Deed("exported"), ANN)
    assert verify_trail(trail).faults == ()
    assert told <= {f"{line.number}:{line.hash}" for line in trail.lines()} and len(told) >= kills


def test_writers_that_are_killed_leave_the_chain_whole(trail: Trail, tmp_path: Path) -> None:
    kill_writers(trail, tmp_path, 4)


@pytest.mark.accept
def test_many_kills(trail: Trail, tmp_path: Path) -> None:
    kill_writers(trail, tmp_path, KILLS)
