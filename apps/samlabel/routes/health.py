"""`/health`, `/ready`, `/metrics` and `/logs/gpu`: probes of load balancers, metrics for Prometheus, nvidia-smi."""

from __future__ import annotations

import shutil
import subprocess

from fastapi import APIRouter
from fastapi.responses import Response
from prometheus_client import CONTENT_TYPE_LATEST

from samlabel.access.callers import ADMIN
from samlabel.errors import NotFoundError
from samlabel.routes.metrics import METRICS

router = APIRouter(tags=["Operation"])

# A driver that hangs does so for ever.
SECONDS = 10


@router.get("/health", summary="Whether the process lives")
async def health() -> dict[str, bool]:
    """For whoever restarts what hangs; says nothing about the network or the studies."""
    return {"alive": True}


@router.get("/ready", summary="Whether this server answers")
async def ready() -> dict[str, bool]:
    """It listens only when the network is loaded and warm."""
    return {"ready": True}


@router.get("/logs/gpu", summary="What nvidia-smi says", dependencies=[ADMIN])
def gpu() -> Response:
    """The host's route answers 500 on a machine without a GPU."""
    program = shutil.which("nvidia-smi")
    if program is None:
        raise NotFoundError("this machine has no nvidia-smi, and so no GPU to tell of")
    try:
        told = subprocess.run([program], capture_output=True, timeout=SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired):
        raise NotFoundError("nvidia-smi does not answer on this machine") from None
    return Response(told.stdout, media_type="text/plain")


@router.get("/metrics", summary="Times, caches, queue and memory, for Prometheus")
def metrics() -> Response:
    """Counts since the start; behind the login where there is one."""
    return Response(METRICS.text(), media_type=CONTENT_TYPE_LATEST)
