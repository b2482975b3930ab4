"""A long answer is called off when its client hangs up."""

from __future__ import annotations

import asyncio

import pytest

from samlabel.access.disconnect import DisconnectMiddleware, client_has_gone

BODY = [{"type": "http.request", "body": b"one", "more_body": True}, {"type": "http.request", "body": b"two"}]
HUNG_UP = {"type": "http.disconnect"}


class Listener:
    """A small application: reads the body, works for a while, and asks whether its client is still there."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        self.gone: bool | None = None

    async def __call__(self, scope, receive, send) -> None:
        more = True
        while more:
            message = await receive()
            self.bodies.append(message["body"])
            more = message.get("more_body", False)
        await asyncio.sleep(0.05)
        self.gone = await asyncio.to_thread(client_has_gone())
        await send({"type": "http.response.start", "status": 200, "headers": []})


async def converse(path: str, messages: list[dict]) -> Listener:
    incoming: asyncio.Queue = asyncio.Queue()
    for message in messages:
        incoming.put_nowait(message)

    async def send(message) -> None:
        """A client that reads nothing."""

    application = Listener()
    await DisconnectMiddleware(application)({"type": "http", "path": path}, incoming.get, send)
    return application


@pytest.mark.parametrize(
    ("path", "messages", "gone"),
    [
        ("/infer/sam_3d", [*BODY, HUNG_UP], True),
        ("/infer/sam_3d", BODY, False),
        ("/info/", [*BODY, HUNG_UP], False),  # only long answers are watched
    ],
)
def test_work_hears_that_its_client_hung_up(path: str, messages: list[dict], gone: bool) -> None:
    application = asyncio.run(converse(path, messages))
    assert (application.bodies, application.gone) == ([b"one", b"two"], gone)
    assert not client_has_gone()()
