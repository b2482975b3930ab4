"""`/lease/?image=ID`: leases of cases over HTTP; a viewer says which case is open, and hears when another has it."""

from __future__ import annotations

import time
from typing import Any

from fastapi import APIRouter
from monailabel.config import settings
from monailabel.endpoints.user.auth import User
from monailabel.interfaces.utils.app import app_instance

from samlabel.access import identity as reader
from samlabel.access.callers import USER
from samlabel.access.names import check_name
from samlabel.errors import LeasedError

router = APIRouter()


@router.put("/lease/", summary="Open a case, or say that it still is")
def take(image: str, user: User = USER) -> dict[str, Any]:
    """The lease of a case; 409 while somebody else holds it."""
    lease = app_instance().leases.take(check_name(image, "image"), _who(user))
    if lease.reader != _who(user):
        until = time.strftime("%H:%M", time.localtime(lease.until))
        raise LeasedError(
            f"{lease.reader} has this case open (until {until} if nothing is heard): what you submit replaces theirs, "
            "or theirs yours",
            "image",
        )
    return vars(lease)


@router.delete("/lease/", summary="Leave a case")
def leave(image: str, user: User = USER) -> dict[str, Any]:
    """End one's own lease."""
    app_instance().leases.end(check_name(image, "image"), _who(user))
    return {}


def _who(user: User) -> str:
    return str(user.username) if settings.MONAI_LABEL_AUTH_ENABLE else reader.current_reader()
