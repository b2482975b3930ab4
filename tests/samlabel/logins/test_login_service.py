"""The desk: every way in, what ends a session, what is told, and the first administrator's link."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

import pytest

from samlabel.errors import LoginError, RefusedError, WaitError
from samlabel.logins.accounts import Accounts
from samlabel.logins.first import SECONDS
from samlabel.logins.person import Person
from samlabel.logins.sessions import BEARER
from tests.samlabel.people import PASSWORD, People

HERE, ELSEWHERE = "10.0.0.7", "10.0.0.8"


def test_a_thousand_wrong_passwords_are_slowed_and_told_while_the_right_one_gets_in_from_elsewhere(
    people: People,
) -> None:
    looked_at = 0
    for number in range(1000):
        people.clock.now += 1
        try:
            people.desk.by_password("lead", f"guess number {number}", HERE)
        except LoginError:
            looked_at += 1
        except WaitError:
            pass
    assert looked_at < 20  # of a thousand within a quarter of an hour
    with pytest.raises(WaitError, match="try again in"):
        people.desk.by_password("lead", PASSWORD, HERE)  # the right one, from there, waits as well
    assert people.desk.by_password("lead", PASSWORD, ELSEWHERE) == Person("lead", "lead")
    refusals = [event for event in people.told if event.what == "login refused"]
    assert len(refusals) == 1001 and {(event.who, event.where) for event in refusals} == {("lead", HERE)}
    assert not any("guess" in str(event) for event in people.told)


@pytest.mark.parametrize(
    ("name", "password"), [("lead", "wrong password"), ("nobody", PASSWORD), ("", ""), ("LEAD", PASSWORD)]
)
def test_no_refusal_says_which_of_the_two_was_wrong(people: People, name: str, password: str) -> None:
    with pytest.raises(LoginError) as refused:
        people.desk.by_password(name, password, HERE)
    assert str(refused.value) == "this name and password are not known here"


def test_a_session_has_the_rights_of_this_moment(people: People) -> None:
    secret = people.cookie("annotator")
    assert people.desk.by_cookie(secret) == Person("annotator", "annotator")
    Accounts(people.folder).set_role("annotator", "reviewer")
    assert people.desk.by_cookie(secret) == Person("annotator", "reviewer")
    Accounts(people.folder).set_disabled("annotator")
    assert people.desk.by_cookie(secret) is None
    with pytest.raises(LoginError):
        people.desk.by_password("annotator", PASSWORD, HERE)


def test_another_password_ends_the_sessions_of_the_old_one(people: People) -> None:
    secret = people.cookie("lead")
    Accounts(people.folder).set_password("lead", "another good one")
    assert people.restarted().by_cookie(secret) is None


def test_a_logout_is_told_and_a_person_of_a_login_service_needs_no_account(people: People) -> None:
    secret = people.desk.open_session(Person("eva", "lead", "oidc"), HERE, "oidc", BEARER)
    assert people.desk.by_bearer(secret) == Person("eva", "lead", "oidc") and people.desk.by_cookie(secret) is None
    people.desk.close_session(secret, ELSEWHERE)
    people.desk.close_session(secret, ELSEWHERE)
    assert people.desk.by_bearer(secret) is None
    assert [(event.what, event.who, event.where) for event in people.told] == [
        ("login", "eva", HERE),
        ("logout", "eva", ELSEWHERE),
    ]


def test_a_machine_s_token_counts_as_a_header_and_as_a_password(people: People) -> None:
    class Book:
        def person_of(self, secret: str) -> Person | None:
            return Person("station", "machine", "token") if secret == "slt_token" else None

    people.desk.tokens = Book()
    assert people.desk.by_bearer("slt_token") == people.desk.by_password("slicer", "slt_token", HERE)
    assert people.desk.by_bearer("slt_other") is None


def test_the_first_link_makes_one_administrator_and_no_second(people: People, tmp_path) -> None:
    assert people.desk.first.new() is None  # there are accounts
    empty = People(tmp_path / "empty", people.clock)
    old, link = (empty.desk.first.new() for _ in range(2))
    keys = [parse_qs(urlsplit(str(each)).query)["key"][0] for each in (old, link)]
    assert keys[1] not in (empty.folder / "first.json").read_text()
    for bad in (keys[0], "", "x"):
        with pytest.raises(RefusedError):
            empty.desk.first.check(bad)
    account = empty.restarted().first.use(keys[1], "ada", PASSWORD)
    assert (account.name, account.role) == ("ada", "admin")
    with pytest.raises(RefusedError, match="samlabel users add"):
        empty.desk.first.use(keys[1], "eve", PASSWORD)


def test_the_first_link_is_worth_nothing_a_day_later(people: People, tmp_path) -> None:
    empty = People(tmp_path / "empty", people.clock)
    key = str(empty.desk.first.new()).partition("key=")[2]
    people.clock.now += SECONDS + 1
    with pytest.raises(RefusedError, match="older than a day"):
        empty.desk.first.use(key, "ada", PASSWORD)
