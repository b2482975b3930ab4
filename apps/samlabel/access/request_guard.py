"""Middleware before every route: checks address, origin and size, and notes the caller's identity.

Plain ASGI, so that a streamed upload is counted while it arrives and nothing is buffered.
"""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import urlsplit

from fastapi.responses import JSONResponse
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sam_infer.errors import SamError
from samlabel.access import identity
from samlabel.access.error_replies import body_of, status_of
from samlabel.access.names import check_url_path
from samlabel.errors import RefusedError, RequestError, TooLargeError

# A length of more digits is no file's; Python refuses to make a number of thousands of them.
MAX_DIGITS = 18

READS = {"GET", "HEAD", "OPTIONS"}

# A CT of 1500 slices is 800 MB; a whole-body PET-CT upload still fits.
MAX_UPLOAD_BYTES = 2 << 30

# JSON, and forms without files: they are kept in memory while they arrive, and forms copied with every piece. As much
# as starlette takes for a field of a form with files.
MAX_TEXT_BYTES = 1 << 20
FILES = "multipart/"


class RequestGuard:
    """Middleware. `origins` may drive this server from other web pages, `hosts` are the names it answers to.

    Without a login a web page the reader has open elsewhere could send requests here. Browsers name the page's origin
    in every request that changes something: a foreign one is refused. Pages that pretend to be this machine by DNS are
    told by the host name, where the launcher knows which names are right; an empty list accepts any.
    """

    def __init__(
        self, app: ASGIApp, origins: Sequence[str] = (), hosts: Sequence[str] = (), max_bytes: int = MAX_UPLOAD_BYTES
    ) -> None:
        self.app = app
        self._origins = {origin.rstrip("/") for origin in origins}
        self._hosts = set(hosts)
        self._max_bytes = max_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Check, then pass on."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        try:
            check_url_path(scope["path"])
            self._check_host(headers)
            self._check_origin(scope["method"], headers)
            self._check_length(headers)
            name = identity.checked_name(headers.get(identity.HEADER))
        except SamError as error:
            response = JSONResponse(body_of(str(error), error.field), status_of(error))
            await response(scope, receive, send)
            return
        with identity.acting_as(name):
            await self.app(scope, self._counted(receive, self._most(headers)), send)

    def _check_host(self, headers: Headers) -> None:
        name = urlsplit(f"//{headers.get('host', '')}").hostname
        if self._hosts and name not in self._hosts:
            raise RefusedError(f"this server answers to {', '.join(sorted(self._hosts))}, not to {name!r}", "host")

    def _check_origin(self, method: str, headers: Headers) -> None:
        origin = headers.get("origin")
        if origin is None or method in READS or origin in self._origins:
            return
        if urlsplit(origin).netloc != headers.get("host"):
            raise RefusedError(
                f"requests from pages of {origin} are refused; the setting viewer_origins can allow them "
                f"(samlabel serve --set viewer_origins={origin})",
                "origin",
            )

    def _check_length(self, headers: Headers) -> None:
        length = headers.get("content-length", "0")
        if not length.isdecimal():
            raise RequestError("content-length must be a number", "content-length")
        most = self._most(headers)
        if len(length) > MAX_DIGITS or int(length) > most:
            raise TooLargeError(self._too_large(most), "file" if most > MAX_TEXT_BYTES else "body")

    def _most(self, headers: Headers) -> int:
        with_files = headers.get("content-type", "").strip().lower().startswith(FILES)
        return self._max_bytes if with_files else min(MAX_TEXT_BYTES, self._max_bytes)

    def _too_large(self, most: int) -> str:
        if most < self._max_bytes:
            return f"a request without files must be at most {most >> 20} MB; images come as parts of a multipart form"
        return f"the request is larger than the {most >> 20} MB that this server takes (setting upload_mb)"

    def _counted(self, receive: Receive, most: int) -> Receive:
        """The same stream, cut off when it grows too long: a chunked upload announces no length."""
        received = 0

        async def counted() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > most:
                # Form parsing lets only this type through unchanged.
                raise HTTPException(413, self._too_large(most))
            return message

        return counted
