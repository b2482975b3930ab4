"""Sessions: how long they last, what is stored of them, and that a restart keeps them."""

from __future__ import annotations

import stat

import pytest

from samlabel.logins.person import Person
from samlabel.logins.sessions import BEARER, COOKIE, FILE, MOST_EACH, Limits, Sessions
from tests.samlabel.people import People

ADA = Person("ada", "annotator", "oidc", ("liver",))


def test_a_secret_is_stored_as_its_hash_and_a_restart_keeps_the_session(people: People) -> None:
    secret = Sessions(people.folder, clock=people.clock).open(ADA)
    file = people.folder / FILE
    assert secret not in file.read_text() and secret.removeprefix(COOKIE) not in file.read_text()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    again = Sessions(people.folder, clock=people.clock).find(secret)
    assert again is not None and again.person == ADA


def test_a_session_ends_when_nobody_is_at_work_and_at_its_end(people: People) -> None:
    sessions = Sessions(people.folder, Limits(idle_s=100, absolute_s=1000), people.clock)
    secret = sessions.open(ADA)
    for _ in range(5):
        people.clock.now += 90
        assert sessions.find(secret) is not None  # at work
    people.clock.now += 60
    assert sessions.find(secret, active=False) is not None
    people.clock.now += 60
    assert sessions.find(secret) is None  # what viewers ask by themselves put nothing off
    secret = sessions.open(ADA)
    for _ in range(11):
        people.clock.now += 90
        sessions.find(secret)
    assert sessions.find(secret) is not None
    people.clock.now += 11
    assert sessions.find(secret) is None  # 1001 seconds, whatever was done


def test_the_last_use_reaches_the_disk_now_and_then(people: People) -> None:
    sessions = Sessions(people.folder, Limits(idle_s=300), people.clock)
    secret = sessions.open(ADA)
    for _ in range(9):
        people.clock.now += 100
        assert sessions.find(secret) is not None
    assert Sessions(people.folder, Limits(idle_s=300), people.clock).find(secret) is not None


def test_neither_kind_is_the_other_and_what_is_closed_is_over(people: People) -> None:
    sessions = Sessions(people.folder, clock=people.clock)
    cookie, bearer = sessions.open(ADA), sessions.open(ADA, BEARER)
    assert sessions.find(cookie, BEARER) is None and sessions.find(bearer, COOKIE) is None
    sessions.close(cookie)
    assert sessions.find(cookie) is None and sessions.find(bearer, BEARER) is not None
    sessions.close_all("ada")
    assert sessions.find(bearer, BEARER) is None and sessions.find("") is None and sessions.find("nonsense") is None


def test_a_script_that_logs_in_each_minute_fills_nothing(people: People) -> None:
    sessions = Sessions(people.folder, clock=people.clock)
    other = sessions.open(Person("eva", "lead"))
    secrets = [sessions.open(ADA) for _ in range(MOST_EACH + 3)]
    assert sum(sessions.find(secret) is not None for secret in secrets) == MOST_EACH
    assert sessions.find(secrets[-1]) is not None and sessions.find(other) is not None


@pytest.mark.parametrize("text", ["", "{", "[1]", '{"a": 3}', '{"a": {"name": "ada"}}'])
def test_a_damaged_file_costs_a_login_and_no_start(people: People, text: str) -> None:
    (people.folder / FILE).write_text(text)
    sessions = Sessions(people.folder, clock=people.clock)
    assert sessions.find(sessions.open(ADA)) is not None
