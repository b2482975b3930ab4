"""Machine tokens: shown once, kept as a hash, gone when they are revoked or over; also as the password of a client."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from sam_infer.audit.trail import Trail
from samlabel.errors import ConfigError, LoginError
from samlabel.logins.person import Person
from samlabel.logins.sessions import BEARER
from samlabel.logins.tokens import BEGINNING, FILE, TokenStore
from tests.samlabel.people import People


def store_in(folder: Path) -> TokenStore:
    return TokenStore(folder, Trail(folder / "audit"))


def test_a_token_lets_its_owner_in_until_it_is_revoked(tmp_path: Path) -> None:
    store, server = store_in(tmp_path), store_in(tmp_path)
    secret = store.add("slicer", "annotator", projects=["liver"])
    assert server.person_of(secret) == Person("slicer", "annotator", "token", ("liver",))
    for wrong in (secret[:-1], secret + "x", "", BEGINNING, "slb_x"):
        assert server.person_of(wrong) is None
    store.revoke("slicer")
    assert server.person_of(secret) is None and server.all()[0].state(datetime.now(UTC)) == "revoked"
    assert store.add("slicer", "annotator") != secret and [token.name for token in server.all()] == ["slicer"] * 2


def test_the_file_and_the_trail_hold_no_token(tmp_path: Path) -> None:
    store = store_in(tmp_path)
    secret = store.add("monitor", "machine", days=30)
    store.revoke("monitor")
    assert (tmp_path / FILE).stat().st_mode & 0o777 == 0o600
    trail = Trail(tmp_path / "audit")
    told = (tmp_path / FILE).read_text() + "".join(path.read_text() for path in trail.files())
    assert secret.removeprefix(BEGINNING) not in told
    assert [(line.what, line.subject) for line in trail.lines()] == [
        ("token added", "monitor"),
        ("token revoked", "monitor"),
    ]


def test_a_token_ends_by_itself(tmp_path: Path) -> None:
    store = store_in(tmp_path)
    store.add("monitor", "machine", days=30)
    (token,) = store.all()
    now = datetime.now(UTC)
    assert token.serves(now + timedelta(days=29)) and token.state(now + timedelta(days=31)) == "expired"


def test_a_client_that_knows_passwords_only_sends_a_token_as_one(people: People) -> None:
    people.desk.tokens = store = store_in(people.folder)
    secret = store.add("slicer", "annotator")
    assert people.desk.by_password("anything", secret, "10.0.0.7") == Person("slicer", "annotator", "token")
    assert people.desk.by_bearer(secret) == Person("slicer", "annotator", "token")
    store.revoke("slicer")
    assert people.desk.by_bearer(secret) is None
    with pytest.raises(LoginError):
        people.desk.by_password("anything", secret, "10.0.0.7")


def test_a_session_that_a_token_began_ends_with_it(people: People) -> None:
    people.desk.tokens = store = store_in(people.folder)
    secret = store.add("slicer", "annotator")
    people.clock.now = datetime.now(UTC).timestamp()
    machine = people.desk.by_password("anything", secret, "10.0.0.7")
    session = people.desk.open_session(machine, "10.0.0.7", "password", BEARER)
    assert people.desk.by_bearer(session) == machine
    store.revoke("slicer")
    assert people.desk.by_bearer(session) is None
    store.add("slicer", "admin")
    assert people.desk.by_bearer(session) is None


def test_refusals_are_sentences(tmp_path: Path) -> None:
    store = store_in(tmp_path)
    store.add("slicer", "annotator")
    with pytest.raises(ConfigError, match="there is a token 'slicer': revoke it first"):
        store.add("slicer", "admin")
    with pytest.raises(ConfigError, match="up to 64 letters"):
        store.add("../x", "admin")
    with pytest.raises(ConfigError, match="role must be one of"):
        store.add("x", "king")
    with pytest.raises(ConfigError, match="no valid token 'nobody'"):
        store.revoke("nobody")
