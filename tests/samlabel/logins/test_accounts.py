"""Accounts: who may be one, what is stored of a password, and what a running server sees."""

from __future__ import annotations

import json
import stat
import threading

import pytest

from samlabel.errors import ConfigError, NotFoundError
from samlabel.logins.accounts import FILE, Accounts
from samlabel.logins.passwords import LONGEST, matches
from tests.samlabel.people import PASSWORD, People


def test_the_file_is_its_owner_s_and_holds_no_password(people: People) -> None:
    file = people.folder / FILE
    assert stat.S_IMODE(file.stat().st_mode) == 0o600 and stat.S_IMODE(people.folder.stat().st_mode) == 0o700
    text = file.read_text()
    assert PASSWORD not in text and "$argon2id$" in text
    assert len({facts["password"] for facts in json.loads(text).values()}) == 4  # each has its own salt


@pytest.mark.parametrize(
    "name", ["", "a b", "../x", "x" * 65, "\N{LATIN SMALL LETTER E WITH ACUTE}va", "-a", "ANNOTATOR"]
)
def test_a_name_is_a_plain_word_that_nobody_has(people: People, name: str) -> None:
    with pytest.raises(ConfigError) as refused:
        people.desk.accounts.add(name, "annotator", PASSWORD)
    assert refused.value.field == "name"


@pytest.mark.parametrize("password", ["short", "x" * (LONGEST + 1), "ada's password", "aaaaaaaaaaaaaa", ""])
def test_a_password_is_long_and_not_the_name(people: People, password: str) -> None:
    with pytest.raises(ConfigError, match="password"):
        people.desk.accounts.add("ada", "annotator", password)
    assert people.desk.accounts.find("ada") is None


@pytest.mark.parametrize("role", ["user", "machine", "root", ""])
def test_a_role_is_one_of_four(people: People, role: str) -> None:
    with pytest.raises(ConfigError, match="annotator, reviewer, lead, admin"):
        people.desk.accounts.set_role("lead", role)


def test_what_a_command_changes_a_running_server_sees(people: People) -> None:
    command, running = Accounts(people.folder), people.desk.accounts
    command.set_role("annotator", "lead")
    command.set_disabled("reviewer")
    found = running.find("annotator")
    assert found is not None and found.role == "lead"
    assert [account.name for account in running.all() if account.disabled] == ["reviewer"]
    command.set_disabled("reviewer", False)
    assert not any(account.disabled for account in running.all())
    with pytest.raises(NotFoundError, match="samlabel users list"):
        command.set_password("nobody", PASSWORD)


def test_an_administrator_is_left(people: People) -> None:
    for change in (lambda a: a.set_role("admin", "lead"), lambda a: a.set_disabled("admin")):
        with pytest.raises(ConfigError, match="no administrator"):
            change(people.desk.accounts)
    found = people.desk.accounts.find("admin")
    assert found is not None and (found.role, found.disabled) == ("admin", False)


def test_two_processes_add_at_once_and_nobody_is_lost(people: People) -> None:
    def add(number: int) -> None:
        Accounts(people.folder).add(f"reader{number}", "annotator", PASSWORD)

    threads = [threading.Thread(target=add, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(people.desk.accounts.all()) == 4 + 8


@pytest.mark.parametrize("text", ["", "[1]", "{", '{"ada": 3}', '{"ada": {"role": "king", "password": "x"}}'])
def test_a_damaged_file_lets_nobody_in(people: People, text: str) -> None:
    (people.folder / FILE).write_text(text)
    with pytest.raises(ConfigError):
        people.restarted().accounts.all()


def test_no_account_takes_as_long_as_a_wrong_password(people: People) -> None:
    assert not matches("anything at all", "") and not matches("anything at all", "no hash")
    assert not matches("x" * 10_000_000, people.desk.accounts.all()[0].password)
