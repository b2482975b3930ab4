"""Machine tokens: shown once, kept as a hash, gone when they are revoked or over."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from sam_infer.audit.trail import Trail
from samlabel.access.tokens import BEGINNING, TokenStore
from samlabel.errors import ConfigError


def test_a_token_lets_its_owner_in_until_it_is_revoked(tmp_path: Path) -> None:
    store, other = TokenStore(tmp_path), TokenStore(tmp_path)
    secret = store.add("slicer", "annotator")
    found = other.owner(secret)
    assert found is not None and (found.name, found.role) == ("slicer", "annotator")
    for wrong in (secret[:-1], secret + "x", "", BEGINNING, found.sha256, BEGINNING + found.sha256):
        assert other.owner(wrong) is None
    store.revoke("slicer")
    assert other.owner(secret) is None and other.tokens()[0].state(datetime.now(UTC)) == "revoked"
    assert store.add("slicer", "annotator") != secret


def test_the_file_and_the_trail_hold_no_token(tmp_path: Path) -> None:
    store = TokenStore(tmp_path)
    secret = store.add("monitor", "metrics", days=30)
    store.revoke("monitor")
    file = tmp_path / "access" / "tokens.json"
    assert file.stat().st_mode & 0o777 == 0o600
    told = file.read_text() + "".join(path.read_text() for path in Trail.of(tmp_path).files())
    assert secret not in told and secret.removeprefix(BEGINNING) not in told
    assert [(line.what, line.subject) for line in Trail.of(tmp_path).lines()] == [
        ("token added", "monitor"),
        ("token revoked", "monitor"),
    ]


def test_a_token_ends_by_itself(tmp_path: Path) -> None:
    store = TokenStore(tmp_path)
    store.add("monitor", "metrics", days=30)
    (token,) = store.tokens()
    now = datetime.now(UTC)
    assert token.serves(now + timedelta(days=29)) and token.state(now + timedelta(days=31)) == "expired"


def test_refusals_are_sentences(tmp_path: Path) -> None:
    store = TokenStore(tmp_path)
    store.add("slicer", "annotator")
    with pytest.raises(ConfigError, match="there is a token 'slicer': revoke it first"):
        store.add("slicer", "admin")
    with pytest.raises(ConfigError, match="up to 64 letters"):
        store.add("../x", "admin")
    with pytest.raises(ConfigError, match="no valid token 'nobody'"):
        store.revoke("nobody")
    (tmp_path / "access" / "tokens.json").write_text("{")
    with pytest.raises(ConfigError, match="is damaged"):
        TokenStore(tmp_path).tokens()
