"""`/online/`: what the server has learned since the adapter, over HTTP; reset it, switch it off and on."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Body
from monailabel.endpoints.user.auth import User

from samlabel.access.callers import USER, reader_of
from samlabel.host.handle import running_app

router = APIRouter(prefix="/online", tags=["Labels"])


@router.get("/", summary="What was learned since the adapter")
def overview(user: User = USER) -> dict[str, Any]:
    """By label: its weight in the next answer, labels learned, and the cases that its queue is from."""
    return running_app().online.facts(reader_of(user))


@router.post("/reset", summary="Forget what was learned")
def reset(user: User = USER) -> dict[str, Any]:
    """Begin anew with the next accepted label."""
    running_app().online.reset(reader_of(user))
    return running_app().online.facts(reader_of(user))


@router.post("/switch", summary="Cease to learn, or begin again")
def switch(on: bool = Body(embed=True, strict=True), user: User = USER) -> dict[str, Any]:
    """Switch learning and its part in answers off or on; what was learned stays."""
    running_app().online.switch(reader_of(user), on)
    return running_app().online.facts(reader_of(user))
