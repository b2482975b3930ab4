"""What logins add to a click: the same request with and without, in pairs, in one process.

    .venv/bin/python benchmarks/login_clicks.py

Everything that a login adds is in the gate: the session behind the cookie or token, the account behind the session, the
row of the table. The application behind it answers at once, so that nothing else is measured.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from samlabel.host import settings as host_settings
from samlabel.host.lazy_host import light_host

host_settings.apply()
with light_host():
    from samlabel.access.gate import Gate
    from samlabel.access.login_state import LoginState
    from samlabel.access.session_cookie import name as cookie_name
    from samlabel.logins.login_service import LoginService

HEADERS = [(b"host", b"here"), (b"origin", b"http://here"), (b"accept", b"*/*")]


async def beyond(scope: Any, receive: Any, send: Any) -> None:
    """An application that answers at once."""
    await send({"type": "http.response.start", "status": 200, "headers": []})


async def click(gate: Gate, credentials: list[tuple[bytes, bytes]]) -> float:
    """Milliseconds of one request to segment."""
    statuses: list[int] = []

    async def send(message: Any) -> None:
        statuses.append(message["status"])

    scope = {"type": "http", "method": "POST", "path": "/infer/sam_2d", "query_string": b"image=a", "scheme": "http"}
    started = time.perf_counter()
    await gate({**scope, "headers": HEADERS + credentials, "client": ("10.0.0.7", 1)}, None, send)
    took = (time.perf_counter() - started) * 1000
    if statuses != [200]:
        raise RuntimeError(f"the gate answered {statuses}")
    return took


async def measured(folder: Path, pairs: int, accounts: int) -> dict[str, Any]:
    """Medians and the 99th percentile of what a login adds."""
    desk = LoginService(folder)
    for number in range(accounts):
        desk.accounts.add(f"reader{number}", "annotator", "a good password")
    person = desk.accounts.all()[0].person
    secrets = [desk.open_session(person, "10.0.0.7") for _ in range(5)]
    cookie = [(b"cookie", f"{cookie_name()}={secrets[-1]}".encode())]
    off, on = Gate(beyond, LoginState()), Gate(beyond, LoginState(desk=desk))
    added = []
    for number in range(pairs + 100):
        both = [await click(off, []), await click(on, cookie)] if number % 2 else None
        if both is None:
            both = [await click(on, cookie), await click(off, [])][::-1]
        if number >= 100:
            added.append(both[1] - both[0])
    added.sort()
    return {
        "pairs": pairs,
        "accounts": accounts,
        "median_ms": round(statistics.median(added), 4),
        "p99_ms": round(added[int(0.99 * len(added))], 4),
        "largest_ms": round(added[-1], 4),
    }


def main() -> None:
    """Print the numbers as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--pairs", type=int, default=2000)
    parser.add_argument("--accounts", type=int, default=20)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        print(json.dumps(asyncio.run(measured(Path(folder), options.pairs, options.accounts))))  # noqa: T201


if __name__ == "__main__":
    main()
