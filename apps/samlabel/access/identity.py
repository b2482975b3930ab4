"""Caller identity: the reader of the current request, in a context variable.

While logins are off a reader names himself in a header; nobody vouches for it, so it serves to tell work apart, not to
protect anything. While they are on it is whoever logged in. The name travels with the request's context into the worker
threads.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from samlabel.errors import RequestError
from samlabel.logins.person import Person

HEADER = "x-samlabel-reader"

# Without a header: the person at the machine.
LOCAL = "local"

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@+-]{0,63}")

_reader: ContextVar[str] = ContextVar("reader", default=LOCAL)
_person: ContextVar[Person | None] = ContextVar("person", default=None)


def current_reader() -> str:
    """The reader of the request that this code runs for."""
    return _reader.get()


@contextmanager
def acting_as(name: str) -> Iterator[None]:
    """Run as a reader."""
    token = _reader.set(name)
    try:
        yield
    finally:
        _reader.reset(token)


def current_person() -> Person | None:
    """Who is logged in, of the request that this code runs for; None while logins are off, or for nobody."""
    return _person.get()


@contextmanager
def logged_in_as(person: Person | None) -> Iterator[None]:
    """Run for somebody who logged in, or, where that is no matter, for nobody."""
    token = _person.set(person)
    try:
        with acting_as(person.name if person is not None else _reader.get()):
            yield
    finally:
        _person.reset(token)


def checked_name(name: str | None) -> str:
    """A reader's name as sent, or `local`; refused when it is not a plain word."""
    if name is None or not name.strip():
        return LOCAL
    if not _NAME.fullmatch(name.strip()):
        raise RequestError(
            f"{HEADER} must be up to 64 letters, digits or ._@+- and start with a letter or digit", HEADER
        )
    return name.strip()
