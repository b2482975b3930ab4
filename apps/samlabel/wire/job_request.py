"""Parses what a request says about itself as a job: `job`, a UUID to ask about it by, and `partial`.

job       named by the client; `GET /jobs/ID` tells how far it is, `DELETE /jobs/ID` calls it off
partial   what was found until it was called off is the answer, where there is something; otherwise a refusal
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from samlabel.access.names import check_job_id
from samlabel.config import flag
from samlabel.errors import ConfigError, RequestError


@dataclass(frozen=True)
class JobRequest:
    """What the job is called (empty: nobody will ask) and whether a part of the answer is wanted."""

    id: str = ""
    partial: bool = False


def decode(given: Mapping[str, Any]) -> JobRequest:
    """The job of a request; nothing is said by requests of the stock clients."""
    name, partial = given.get("job"), given.get("partial")
    return JobRequest("" if name is None else check_job_id(name), False if partial is None else _switch(str(partial)))


def _switch(text: str) -> bool:
    try:
        return flag("partial", text)
    except ConfigError as error:
        raise RequestError(str(error), "partial") from None
