"""`/lease/?image=ID`: leases of cases over HTTP; a viewer says which case is open, and hears when another has it."""

from __future__ import annotations

import time
from typing import Any, cast

from fastapi import APIRouter
from monailabel.endpoints.user.auth import User

from samlabel.access.callers import USER, reader_of
from samlabel.access.names import check_name
from samlabel.errors import LeasedError
from samlabel.host.handle import running_app
from samlabel.store.folder import StudyStore
from samlabel.store.leases import Leases

router = APIRouter()


@router.put("/lease/", summary="Open a case, or say that it still is")
def take(image: str, user: User = USER) -> dict[str, Any]:
    """The lease of a case; 409 while somebody else holds it."""
    lease = _leases().take(check_name(image, "image"), reader_of(user))
    if lease.reader != reader_of(user):
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
    _leases().end(check_name(image, "image"), reader_of(user))
    return {}


def _leases() -> Leases:
    return cast(StudyStore, running_app().datastore()).leases
