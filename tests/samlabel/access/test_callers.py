"""Who is taken to ask: whoever logged in, else whom the request names; and what a role is called by the host."""

from __future__ import annotations

import asyncio

from samlabel.access.callers import current_user, host_roles, reader_of
from samlabel.access.identity import acting_as, current_person, logged_in_as
from samlabel.logins.person import Person


def test_a_login_names_the_reader_and_the_request_does_while_there_is_none() -> None:
    from monailabel.endpoints.user.auth import User

    with acting_as("mueller"):
        assert reader_of(User(username="admin")) == "mueller"
        with logged_in_as(Person("anna", "annotator")):
            assert reader_of(User(username="admin")) == "anna"
            assert asyncio.run(current_user()).username == "anna"
        with logged_in_as(None):
            assert current_person() is None and reader_of(User(username="admin")) == "mueller"


def test_a_role_in_the_host_s_words() -> None:
    user, annotator, reviewer, admin = (f"monailabel-{name}" for name in ("user", "annotator", "reviewer", "admin"))
    assert host_roles("machine") == host_roles("") == []
    assert host_roles("user") == [user] and host_roles("annotator") == [user, annotator]
    assert host_roles("lead") == [user, annotator, reviewer] and host_roles("admin")[-1] == admin
