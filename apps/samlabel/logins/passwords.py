"""Passwords: which are taken, and their argon2id hashes: 64 MB and a twentieth of a second each."""

from __future__ import annotations

from functools import cache

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from samlabel.errors import ConfigError

SHORTEST, LONGEST = 10, 256

_hasher = PasswordHasher()


def hashed(password: str) -> str:
    """What is stored of a password."""
    return _hasher.hash(password)


def matches(password: str, stored: str) -> bool:
    """Whether it is this password; an account without one costs as much time as a wrong one."""
    if len(password) > LONGEST:
        return False
    try:
        return _hasher.verify(stored or _nobody_s(), password) and bool(stored)
    except (VerificationError, InvalidHashError):
        return False


def outdated(stored: str) -> bool:
    """Whether a hash was made with weaker settings than today's."""
    return _hasher.check_needs_rehash(stored)


def checked_password(password: str, name: str) -> str:
    """A new password; refused when it is easily guessed by its length or repeats the name."""
    if not SHORTEST <= len(password) <= LONGEST:
        raise ConfigError(f"a password has {SHORTEST} to {LONGEST} characters, this one {len(password)}", "password")
    if (name and name.lower() in password.lower()) or len(set(password)) < SHORTEST // 2:
        raise ConfigError("a password must not contain the name, nor be a few characters over and over", "password")
    return password


@cache
def _nobody_s() -> str:
    """The hash that a password is compared with where there is no account: refusing takes the same time."""
    return _hasher.hash("nobody's password")
