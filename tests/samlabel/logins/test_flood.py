"""Refusals by the thousand cost a hundred lines a minute and are counted all the same."""

from __future__ import annotations

import pytest

from sam_infer.audit.trail import Trail
from samlabel.access import audited
from samlabel.access.audited import note_login
from samlabel.logins.flood import FREE, WINDOW_S, Flood
from samlabel.logins.login_service import LoginEvent
from tests.samlabel.people import Clock


def test_an_address_has_so_many_lines_a_minute_and_others_theirs() -> None:
    clock = Clock()
    flood = Flood(clock)
    looked = [flood.look("10.0.0.7")[0] for _ in range(1000)]
    assert looked.count(True) == FREE == looked.index(False)
    assert flood.look("10.0.0.8") == (True, [])
    assert flood.look("2001:db8::1")[0] and not all(flood.look(f"2001:db8::{n}")[0] for n in range(FREE))
    clock.now += WINDOW_S + 1
    assert flood.look("10.0.0.7") == (True, [("10.0.0.7", 1000 - FREE), ("2001:db8::/64", 1)])
    clock.now += WINDOW_S + 1
    assert flood.look("10.0.0.7") == (True, [])


def test_what_was_counted_gets_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    monkeypatch.setattr(audited, "FLOOD", Flood(clock))
    monkeypatch.setattr("samlabel.logins.flood.FREE", 3)
    event = LoginEvent("login refused", "lead", "10.0.0.7", "password", "wrong name or password")
    for _ in range(10):
        note_login(event, lambda _: True)
    assert [line.who for line in Trail.of().lines()] == ["lead"] * 3
    clock.now += WINDOW_S + 1
    note_login(event, lambda _: True)
    *_, counted, last = Trail.of().lines()
    assert (counted.who, counted.whence, counted.how) == ("many", "10.0.0.7", "7 more refusals within a minute")
    assert last.who == "lead"


def test_a_name_that_nobody_has_is_not_written_down() -> None:
    note_login(LoginEvent("login refused", "my-password-1", "10.0.0.7", "password", "wrong"), lambda _: False)
    (line,) = Trail.of().lines()
    assert line.who.startswith("unknown name ") and "my-password" not in line.who + line.subject
