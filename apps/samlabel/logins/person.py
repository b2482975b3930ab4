"""`Person`: who asks, as a login vouches for it, and the roles that one may have."""

from __future__ import annotations

from dataclasses import dataclass

from samlabel.errors import ConfigError

# From the least to the most; each may do what those before it may. `machine` reads counters, nothing else; `user` is
# the host's word for somebody who looks and clicks and stores nothing.
MACHINE, USER, ANNOTATOR, REVIEWER, LEAD, ADMIN = "machine", "user", "annotator", "reviewer", "lead", "admin"
ROLES = (MACHINE, USER, ANNOTATOR, REVIEWER, LEAD, ADMIN)

# What people are given; the two below are for programs and for a login service that has nothing finer.
FOR_PEOPLE = (ANNOTATOR, REVIEWER, LEAD, ADMIN)


@dataclass(frozen=True)
class Person:
    """Somebody who proved who they are: a person with an account, or a program with a token."""

    name: str
    role: str
    source: str = "local"  # who vouches: local, oidc, realm, token
    projects: tuple[str, ...] = ()  # whose cases an annotator sees; empty means those of no project

    def may(self, role: str) -> bool:
        """Whether this person has a role, or one above it."""
        return rank(self.role) >= rank(role)


def rank(role: str) -> int:
    """The place of a role in their order; what is none stands below all."""
    return ROLES.index(role) if role in ROLES else -1


def checked_role(role: str, allowed: tuple[str, ...] = FOR_PEOPLE) -> str:
    """A role as somebody typed it."""
    if role not in allowed:
        raise ConfigError(f"role must be one of {', '.join(allowed)}, got {role[:40]!r}", "role")
    return role
