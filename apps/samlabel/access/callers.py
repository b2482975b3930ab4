"""Authorisation dependencies of routes: 401 or 403 while logins are on, everybody passes while they are off."""

from __future__ import annotations

from fastapi import Depends
from monailabel.config import settings
from monailabel.endpoints.user.auth import RBAC, User

from samlabel.access.identity import current_reader

USER = Depends(RBAC(settings.MONAI_LABEL_AUTH_ROLE_USER))
ADMIN = Depends(RBAC(settings.MONAI_LABEL_AUTH_ROLE_ADMIN))


def reader_of(user: User) -> str:
    """Who asks: whoever logged in, or, while logins are off, the reader that the request names."""
    return str(user.username) if settings.MONAI_LABEL_AUTH_ENABLE else current_reader()
