"""Who is taken to ask: whoever logged in, else whom the request names."""

from __future__ import annotations

import pytest

from samlabel.access.callers import reader_of, settings
from samlabel.access.identity import acting_as


def test_a_login_names_the_reader_and_the_request_does_while_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    from monailabel.endpoints.user.auth import User

    with acting_as("mueller"):
        assert reader_of(User(username="admin")) == "mueller"
        monkeypatch.setattr(settings, "MONAI_LABEL_AUTH_ENABLE", True)
        assert reader_of(User(username="admin")) == "admin"
