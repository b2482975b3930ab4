"""`/ready`: does this server answer?"""

from __future__ import annotations

from fastapi import APIRouter

router = APIRouter(tags=["Operation"])


@router.get("/ready", summary="Whether this server answers")
async def ready() -> dict[str, bool]:
    """It listens only when the network is loaded and warm."""
    return {"ready": True}
