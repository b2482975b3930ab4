"""Actor: who does something, and from where, as the audit trail names them.

A trail is written deep inside, by the ledger and the adapter store, where no argument says who asked. So a process
says once how to find out: a server by the request under way; everything else is done by whoever is at the keyboard.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from getpass import getuser

COMMAND_LINE = "command line"


@dataclass(frozen=True)
class Actor:
    """A person, a program with a token, or nobody in particular; and where the order came from."""

    who: str
    whence: str  # a network address, or the command line


def person() -> str:
    """Who is at the keyboard; in some containers nobody has a name."""
    try:
        return getuser()
    except (KeyError, OSError):
        return "somebody at the command line"


def at_the_keyboard() -> Actor:
    """Whoever runs this process."""
    return Actor(person(), COMMAND_LINE)


class _Speaker:
    """How this process finds out for whom it works."""

    ask: Callable[[], Actor] = staticmethod(at_the_keyboard)


def ask_through(ask: Callable[[], Actor]) -> None:
    """Find out in this way from now on; said once, where a server is put together."""
    _Speaker.ask = staticmethod(ask)


def speaking() -> Actor:
    """For whom this code runs."""
    return _Speaker.ask()
