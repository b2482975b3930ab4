"""Authorisation dependencies of routes: 401 or 403 while logins are on, everybody passes while they are off."""

from __future__ import annotations

from fastapi import Depends
from monailabel.config import settings
from monailabel.endpoints.user.auth import RBAC

USER = Depends(RBAC(settings.MONAI_LABEL_AUTH_ROLE_USER))
ADMIN = Depends(RBAC(settings.MONAI_LABEL_AUTH_ROLE_ADMIN))
