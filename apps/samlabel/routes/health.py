"""`/ready` and `/metrics`: the readiness probe of load balancers, and metrics for Prometheus."""

from __future__ import annotations

from fastapi import APIRouter
from fastapi.responses import Response
from prometheus_client import CONTENT_TYPE_LATEST

from samlabel.access.callers import USER
from samlabel.routes.metrics import METRICS

router = APIRouter(tags=["Operation"])


@router.get("/ready", summary="Whether this server answers")
async def ready() -> dict[str, bool]:
    """It listens only when the network is loaded and warm."""
    return {"ready": True}


@router.get("/metrics", summary="Times, caches, queue and memory, for Prometheus", dependencies=[USER])
def metrics() -> Response:
    """Counts since the start; behind the login where there is one."""
    return Response(METRICS.text(), media_type=CONTENT_TYPE_LATEST)
