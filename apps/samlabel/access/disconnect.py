"""Client disconnects: middleware that tells running work that its client has gone, for cancellation."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextvars import ContextVar

from starlette.types import ASGIApp, Message, Receive, Scope, Send

_gone: ContextVar[threading.Event | None] = ContextVar("gone", default=None)


def client_has_gone() -> Callable[[], bool]:
    """A question that any thread may ask on behalf of the request under way; without one, never."""
    event = _gone.get()
    return event.is_set if event is not None else lambda: False


class DisconnectMiddleware:
    """Listens for the end of the connection while a request is answered."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass everything on; only requests to segment are watched."""
        if scope["type"] != "http" or not scope["path"].startswith("/infer/"):
            await self.app(scope, receive, send)
            return
        gone = threading.Event()
        messages: asyncio.Queue[Message | Exception] = asyncio.Queue(maxsize=1)

        async def listen() -> None:
            try:
                while not gone.is_set():
                    message: Message = await receive()
                    if message["type"] == "http.disconnect":
                        gone.set()
                    await messages.put(message)
            except Exception as error:  # noqa: BLE001 - a body that is too large: whoever reads it is told, not left waiting
                await messages.put(error)

        async def heard() -> Message:
            message = await messages.get()
            if isinstance(message, Exception):
                raise message
            return message

        token, listener = _gone.set(gone), asyncio.create_task(listen())
        try:
            await self.app(scope, heard, send)
        finally:
            _gone.reset(token)
            listener.cancel()
