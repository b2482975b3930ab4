"""What routes ask about their caller; who may call them is decided before, by the gate and its table of roles."""

from __future__ import annotations

from fastapi import Depends
from monailabel.config import settings
from monailabel.endpoints.user.auth import DEFAULT_USER, RBAC, User

from samlabel.access.identity import current_person, current_reader
from samlabel.logins.person import ROLES, rank


async def current_user() -> User:
    """The caller in the host's terms. The gate has let the request through: the host's own roles ask no more."""
    return User(username=current_reader(), name=current_reader(), roles=DEFAULT_USER.roles)


# The host's own way to ask is analysed anew with each request, once somebody has replaced a part of it: a millisecond
# of every click. Who may call what is decided by the gate.
USER = Depends(current_user)
ADMIN = Depends(RBAC(settings.MONAI_LABEL_AUTH_ROLE_ADMIN))


def host_roles(role: str) -> list[str]:
    """What a role of ours is called by the host; a lead has no name there."""
    names = {
        "user": settings.MONAI_LABEL_AUTH_ROLE_USER,
        "annotator": settings.MONAI_LABEL_AUTH_ROLE_ANNOTATOR,
        "reviewer": settings.MONAI_LABEL_AUTH_ROLE_REVIEWER,
        "admin": settings.MONAI_LABEL_AUTH_ROLE_ADMIN,
    }
    return [names[each] for each in ROLES[: rank(role) + 1] if each in names]


def reader_of(user: User) -> str:
    """Who asks: whoever logged in, or, while logins are off, the reader that the request names."""
    person = current_person()
    return person.name if person is not None else current_reader()
