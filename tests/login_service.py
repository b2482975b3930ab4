"""A login service (OpenID Connect) in a process of its own, with some people and their groups."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial

import httpx

from tests.client.stations import free_port
from tests.processes import running, wait_until


@contextmanager
def login_service(people: Mapping[str, Sequence[str]]) -> Iterator[str]:
    """Its address, once it knows everybody."""
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "oidc_provider_mock", "--port", str(port), "--require-nonce", "true"]
    with running(command, env={**os.environ, "PYTHONWARNINGS": "ignore"}), httpx.Client(base_url=address) as client:
        wait_until(partial(_answers, client), "the login service answers")
        for name, groups in people.items():
            client.put(f"/users/{name}", json={"preferred_username": name, "groups": groups}).raise_for_status()
        yield address


def _answers(client: httpx.Client) -> bool:
    try:
        return client.get("/.well-known/openid-configuration").status_code == 200
    except httpx.HTTPError:
        return False
