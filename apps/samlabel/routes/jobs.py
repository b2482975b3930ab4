"""`/jobs/ID`: how far a long request is, and calling it off; the id is what the request named itself by `job`."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from monailabel.endpoints.user.auth import User

from samlabel.access.callers import USER, reader_of
from samlabel.access.names import check_job_id
from samlabel.tasks.jobs import JOBS

router = APIRouter(prefix="/jobs", tags=["Infer"])


@router.get("/{job}", summary="How far a request is")
def status(job: str, user: User = USER) -> dict[str, Any]:
    """State, slices computed, and how many there will be at most where that is known."""
    return JOBS.of(check_job_id(job), reader_of(user)).facts()


@router.delete("/{job}", summary="Call a request off")
def cancel(job: str, user: User = USER) -> dict[str, Any]:
    """Stop before the next slice; the request itself then ends, and what it has become is told by its state."""
    found = JOBS.of(check_job_id(job), reader_of(user))
    found.call_off()
    return found.facts()
