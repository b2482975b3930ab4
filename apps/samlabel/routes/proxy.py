"""`/proxy/dicom/...`: reverse proxy from the viewer to the archive, for exactly the addresses that DICOMweb has.

The host's version drops the query, asks with the archive's login whatever address the caller makes up, and holds the
event loop meanwhile. Here query and Accept are passed on, the answer is streamed, and the login is used only for
callers that the server knows, inside the archive's root. An archive that is down is a sentence; the next request
tries again.
"""

from __future__ import annotations

import asyncio
import re
import weakref
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import cast
from urllib.parse import urlsplit

import httpx
import structlog
from anyio import to_thread
from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response, StreamingResponse
from monailabel.endpoints.user.auth import User

from sam_trainer.studies import Studies
from samlabel.access.callers import USER
from samlabel.access.case_limits import searched
from samlabel.access.error_replies import body_of
from samlabel.access.identity import current_person
from samlabel.access.login_state import LOGINS
from samlabel.errors import NotFoundError, RefusedError, UnsafeNameError
from samlabel.host.handle import archive_settings
from samlabel.store.archive_client import CONNECT_S, LOOPBACK

log = structlog.get_logger(__name__)

router = APIRouter(include_in_schema=False)

# What DICOMweb addresses are made of. Nothing in them is ever percent-encoded.
_PATH = re.compile(r"(studies|series|instances)(/[A-Za-z0-9][A-Za-z0-9._,-]*)*")
_STORE = re.compile(r"studies(/[0-9.]+)?")

ASKED = ("accept", "accept-encoding", "content-type", "content-length", "if-none-match", "if-modified-since", "range")
ANSWERED = (
    "content-type",
    "content-length",
    "content-encoding",
    "content-range",
    "etag",
    "last-modified",
    "vary",
    "cache-control",
    "warning",
)

# A connection that ended before the first byte of an answer.
CUT_OFF = (httpx.RemoteProtocolError, httpx.ReadError, httpx.WriteError)

# A client belongs to the event loop it was first used on.
_clients: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, httpx.AsyncClient] = weakref.WeakKeyDictionary()


@router.api_route("/proxy/dicom/{path:path}", methods=["GET", "POST"])
async def proxy(request: Request, path: str, user: User = USER) -> Response:
    """Pass a DICOMweb request on to the archive."""
    service, rest = _split(path)
    _check(request, rest)
    outgoing = _client().build_request(
        request.method,
        _address(service, rest) + (f"?{request.url.query}" if request.url.query else ""),
        headers=_asked(request),
        content=request.stream() if request.method == "POST" else None,
    )
    try:
        answer = await _answered(outgoing)
    except httpx.TimeoutException:
        return _failure(504, f"the DICOM archive did not answer within {archive_settings().timeout_s:g} s")
    except httpx.HTTPError as error:
        log.warning("archive unreachable", reason=repr(error))
        return _failure(502, "the DICOM archive cannot be reached; check its address and that it runs")
    refusal = _refusal(answer.status_code)
    if refusal is not None:
        await answer.aclose()
        return _failure(502, refusal)
    seen = await to_thread.run_sync(LOGINS.seen, current_person())
    if seen is not None and request.method == "GET" and "/" not in rest:  # a search in the whole archive
        return Response(searched(await _whole(answer), seen), answer.status_code, media_type="application/dicom+json")
    headers = {name: answer.headers[name] for name in ANSWERED if name in answer.headers}
    return StreamingResponse(_body(answer), answer.status_code, headers)


async def _answered(outgoing: httpx.Request) -> httpx.Response:
    """What the archive says.

    One that ends idle connections, as Orthanc does after a second, may end a kept one in the moment in which it is
    used again: what changes nothing is asked once more.
    """
    try:
        return await _client().send(outgoing, stream=True, auth=_login())
    except CUT_OFF as error:
        if outgoing.method != "GET":
            raise
        log.info("the archive ended a connection, asked again", reason=repr(error))
        return await _client().send(outgoing, stream=True, auth=_login())


def _split(path: str) -> tuple[str, str]:
    service, _, rest = path.partition("/")
    return (service, rest) if service in ("qido", "wado", "stow") else ("", path)


def _check(request: Request, path: str) -> None:
    """Refuse what is no DICOMweb address, before any login goes anywhere."""
    if b"%" in request.scope.get("raw_path", b"").split(b"?")[0]:
        raise UnsafeNameError("addresses of the DICOM archive are never percent-encoded", "path")
    if not _PATH.fullmatch(path):
        raise UnsafeNameError("the address is none of DICOMweb's: studies, series or instances are expected", "path")
    if request.method == "POST" and not _STORE.fullmatch(path):
        raise RefusedError("only DICOM files can be sent to the archive, to /studies", "path")


def _address(service: str, path: str) -> str:
    archive = archive_settings()
    studies = Studies.of(archive.address)
    if not studies.is_archive:
        raise NotFoundError("this server works on a folder of images; it has no DICOM archive to show", "studies")
    if service == "qido" and path.endswith("metadata"):
        service = "wado"  # some versions of OHIF ask for metadata there
    root, prefix = str(studies), archive.prefixes.get(service)
    return "/".join(part.strip("/") if part is not root else part for part in (root, prefix, path) if part)


def _asked(request: Request) -> dict[str, str]:
    headers = {name: request.headers[name] for name in ASKED if name in request.headers}
    # Without it the client library would ask for compression that the caller does not understand.
    return {"accept-encoding": "identity", **headers}


def _login() -> httpx.BasicAuth | None:
    login = archive_settings().login
    return httpx.BasicAuth(*login) if login else None


def _refusal(status: int) -> str | None:
    """What must not reach a browser as it is: it would ask the reader for the archive's password, or go elsewhere."""
    if status in (401, 403):
        return "the DICOM archive refused the login; set MONAI_LABEL_DICOMWEB_USERNAME and _PASSWORD"
    if 300 <= status < 400 and status != 304:
        return "the DICOM archive points to another address; configure that one"
    return None


async def _body(answer: httpx.Response) -> AsyncIterator[bytes]:
    try:
        # httpx promises less than it gives: only a generator can be closed
        async with aclosing(cast(AsyncGenerator[bytes, None], answer.aiter_raw())) as chunks:
            async for chunk in chunks:
                yield chunk
    except httpx.HTTPError as error:
        # The status is sent: cutting the answer off is all that is left to say.
        log.warning("the DICOM archive stopped in the middle of an answer", reason=repr(error))
        raise
    finally:
        await answer.aclose()


async def _whole(answer: httpx.Response) -> bytes:
    """An answer that is read before it is passed on; one that is no success has no studies in it."""
    try:
        return await answer.aread() if answer.status_code == 200 else b""
    finally:
        await answer.aclose()


def _client() -> httpx.AsyncClient:
    loop = asyncio.get_running_loop()
    if loop not in _clients:
        archive = archive_settings()
        timeout = httpx.Timeout(archive.timeout_s, connect=CONNECT_S)
        # A company's web proxy must not be asked for this machine.
        local = urlsplit(archive.address).hostname in LOOPBACK
        _clients[loop] = httpx.AsyncClient(timeout=timeout, trust_env=not local)
    return _clients[loop]


def _failure(status: int, sentence: str) -> JSONResponse:
    return JSONResponse(body_of(sentence, "studies"), status)
