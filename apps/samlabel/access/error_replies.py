"""Exception handlers: from an exception to an HTTP status and a sentence; the only place where the two meet.

A sentence names the field and says what was expected. What nobody foresaw becomes a 500 with a number that is also in
the log, never a bare "Internal Server Error".
"""

from __future__ import annotations

import errno
import math
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exception_handlers import http_exception_handler
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse, Response
from monailabel.interfaces.exception import (
    ImageNotFoundException,
    LabelNotFoundException,
    MONAILabelError,
    MONAILabelException,
)
from starlette.exceptions import HTTPException
from starlette.routing import compile_path
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sam_infer.errors import (
    AdapterError,
    AuditError,
    BusyError,
    CacheError,
    ModelError,
    PromptError,
    SamError,
    UnknownAdapterError,
    VolumeError,
)
from sam_infer.job import CancelledError
from sam_trainer.errors import TrainingError
from samlabel.access.html_page import html_page
from samlabel.access.names import shown
from samlabel.errors import (
    ArchiveError,
    ConfigError,
    JobError,
    LeasedError,
    LoginAwayError,
    LoginError,
    NotFoundError,
    RefusedError,
    RequestError,
    TooLargeError,
    UnsafeNameError,
    ViewerError,
    WaitError,
)
from samlabel.host.handle import told_by

log = structlog.get_logger(__name__)

# As web servers call it when the client is gone; nobody reads it but the log.
CLIENT_GONE = 499

UNAUTHORISED = 401

# The host's word for a second training, batch or scoring; 3D Slicer shows the status.
RUNNING = 429
RUNS_ALREADY = "a task of this kind is running already: wait for its end, or stop it"

METHOD_NOT_ALLOWED = 405

# Said to a person who opens a page of a server that asks who everybody is.
NO_LOGIN = """
<p>This server shows images and labels only to people who are logged in, and your browser did not say who you are.</p>
<p>Open it through the portal or the login proxy of your hospital, which sends your token along. Programs send it
themselves, in the header <code>Authorization: Bearer ...</code>; <code>POST /auth/token</code> gives one for a name
and a password.</p>
<p><a href="/">What there is on this server</a></p>"""

INSUFFICIENT_STORAGE = 507
DISK_FULL = (errno.ENOSPC, errno.EDQUOT)

STATUS: dict[type[SamError], int] = {
    PromptError: 422,
    VolumeError: 422,
    RequestError: 422,
    UnsafeNameError: 422,
    NotFoundError: 404,
    RefusedError: 403,
    LoginError: UNAUTHORISED,
    WaitError: 429,
    TooLargeError: 413,
    ModelError: 409,
    AdapterError: 409,
    UnknownAdapterError: 404,
    TrainingError: 422,
    ConfigError: 409,
    LeasedError: 409,
    JobError: 409,
    ViewerError: 409,
    ArchiveError: 503,
    LoginAwayError: 503,
    BusyError: 503,
    CancelledError: CLIENT_GONE,
    CacheError: 500,
    AuditError: INSUFFICIENT_STORAGE,
    SamError: 500,
}

# The host says "there is no such model" with these.
HOST_NOT_FOUND = {MONAILabelError.INVALID_INPUT, MONAILabelError.APP_INIT_ERROR}


MOST_SHOWN = 60  # characters of a value that was refused

# How the kinds of pydantic's complaints begin, and what a field must be instead.
EXPECTED = {
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "string": "text",
    "list": "a list",
    "dict": "a JSON object",
    "model": "a JSON object",
    "value_error": "a file or text that fits",
}


def status_of(error: SamError) -> int:
    """The HTTP status of a domain error: of its own type, else of the nearest parent."""
    return next(STATUS[kind] for kind in type(error).__mro__ if kind in STATUS)


def body_of(sentence: str, field: str | None = None) -> dict[str, Any]:
    """What a client gets: the sentence where the host's clients look for it, and the field."""
    return {"detail": sentence, "field": field}


async def on_sam_error(request: Request, error: SamError) -> JSONResponse:
    """A refusal: not logged as a failure of ours."""
    status = status_of(error)
    log.info("refused", path=request.url.path, status=status, reason=str(error))
    return JSONResponse(body_of(str(error), error.field), status, headers=_headers(error))


def _headers(error: SamError) -> dict[str, str]:
    """What clients expect beside a status: how to log in, or when to ask again."""
    if isinstance(error, WaitError):
        return {"retry-after": str(math.ceil(error.seconds))}
    return {"www-authenticate": "Bearer"} if isinstance(error, LoginError) else {}


async def on_http_error(request: Request, error: HTTPException) -> Response:
    """What the host and the framework refuse: a sentence; for a person at a browser who has to log in, a page."""
    if error.status_code == UNAUTHORISED and "text/html" in request.headers.get("accept", ""):
        return HTMLResponse(html_page("Log in first", NO_LOGIN), UNAUTHORISED, headers=error.headers)
    if error.status_code == RUNNING:
        return JSONResponse(body_of(RUNS_ALREADY), RUNNING)
    if error.status_code == METHOD_NOT_ALLOWED:
        return JSONResponse(body_of(str(error.detail)), METHOD_NOT_ALLOWED, {"allow": _allowed(request, error)})
    return await http_exception_handler(request, error)


def _allowed(request: Request, error: HTTPException) -> str:
    """Every method that an address has: the router names those of one route, where several share the address."""
    documented = request.app.openapi()["paths"]
    fitting = [path for path in documented if compile_path(path)[0].match(request.url.path)]
    if not fitting:
        return (error.headers or {}).get("allow", "")
    nearest = min(fitting, key=lambda path: path.count("{"))
    return ", ".join(sorted(method.upper() for method in documented[nearest]))


async def on_invalid_request(request: Request, error: RequestValidationError) -> JSONResponse:
    """A request that does not fit the route: one sentence instead of a list of records."""
    faults = [(_field(fault["loc"]), fault) for fault in error.errors()]
    sentence = "; ".join(_sentence(name, fault) for name, fault in faults) or "the request is malformed"
    return JSONResponse(body_of(sentence, faults[0][0] if faults else None), 422)


def _field(place: Sequence[int | str]) -> str:
    """The innermost name; numbers are places in a list, or in a text that is no JSON."""
    return next((part for part in reversed(place) if isinstance(part, str)), "body")


def _sentence(name: str, fault: Mapping[str, Any]) -> str:
    """What was wrong and what was expected, in our words where we have some."""
    kind, got, limits = str(fault["type"]), fault.get("input"), fault.get("ctx") or {}
    if kind == "json_invalid":
        return f"{name} is not valid JSON, from character {fault['loc'][-1]} on"
    if kind == "missing":
        return f"{name} is missing: it must be sent"
    if kind == "enum":
        return f"{name} must be one of {limits.get('expected')}, got {shown(got, MOST_SHOWN)}"
    for beginning, expected in EXPECTED.items():
        if kind.startswith(beginning):
            return f"{name} must be {expected}, got {shown(got, MOST_SHOWN)}"
    return f"{name}: {fault['msg']}"


async def on_host_error(request: Request, error: MONAILabelException) -> JSONResponse:
    """The host's own exceptions, which it leaves unmapped."""
    kind, sentence = told_by(error)
    missing = isinstance(error, ImageNotFoundException | LabelNotFoundException) or kind in HOST_NOT_FOUND
    return JSONResponse(body_of(sentence), 404 if missing else 500)


async def on_os_error(request: Request, error: OSError) -> JSONResponse:
    """A full disk is nobody's fault and everybody's business; any other failure of the system is unforeseen."""
    if error.errno not in DISK_FULL:
        return await on_unexpected(request, error)
    log.error("the disk is full", path=request.url.path, reason=str(error))
    sentence = "the server's disk is full: what you sent was not stored; free some space, then send it again"
    return JSONResponse(body_of(sentence), INSUFFICIENT_STORAGE)


async def on_unexpected(request: Request, error: Exception) -> JSONResponse:
    """A fault of ours: the log has it under a number that the reader can pass on."""
    number = uuid.uuid4().hex[:8]
    log.error("unexpected failure", error_id=number, path=request.url.path, exc_info=error)
    sentence = f"something went wrong inside the server; its log has the details under error {number}"
    return JSONResponse(body_of(sentence), 500)


class FaultMiddleware:
    """Answers the unforeseen from inside: starlette raises it again behind its answer, and the connection is cut."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on; once an answer has begun, nothing can be said any more."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        begun = False

        async def sent(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            await self.app(scope, receive, sent)
        except Exception as error:
            if begun:
                raise
            response = await on_unexpected(Request(scope), error)
            await response(scope, receive, send)


def install(app: FastAPI) -> None:
    """Answer every failure of this app with a status and a sentence."""
    handlers: dict[type[Exception], Any] = {
        SamError: on_sam_error,
        HTTPException: on_http_error,
        RequestValidationError: on_invalid_request,
        MONAILabelException: on_host_error,
        OSError: on_os_error,
        Exception: on_unexpected,
    }
    for kind, handler in handlers.items():
        app.add_exception_handler(kind, handler)
