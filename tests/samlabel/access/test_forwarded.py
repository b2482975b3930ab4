"""Forwarded addresses are believed from named proxies, and from nobody else."""

from __future__ import annotations

import pytest
from starlette.datastructures import Headers

from samlabel.access.forwarded import Client, client_of, networks
from samlabel.errors import ConfigError

PROXIES = networks(["10.1.0.0/16", "::1"])


@pytest.mark.parametrize(
    ("peer", "told", "expected"),
    [
        ("127.0.0.1", {}, Client("127.0.0.1", "http", True)),
        ("192.168.1.9", {}, Client("192.168.1.9", "http", False)),
        # nobody's word: neither for an address, nor for being this machine
        ("192.168.1.9", {"x-forwarded-for": "127.0.0.1"}, Client("192.168.1.9", "http", False)),
        ("127.0.0.1", {"x-forwarded-for": "127.0.0.1"}, Client("127.0.0.1", "http", False)),
        ("127.0.0.1", {"forwarded": "for=8.8.8.8"}, Client("127.0.0.1", "http", False)),
        ("192.168.1.9", {"x-forwarded-proto": "https"}, Client("192.168.1.9", "http", False)),
        # a proxy's word: what it added is on the right, what its client made up is on the left
        ("10.1.2.3", {"x-forwarded-for": "8.8.8.8"}, Client("8.8.8.8", "http", False)),
        ("10.1.2.3", {"x-forwarded-for": "127.0.0.1, 8.8.8.8"}, Client("8.8.8.8", "http", False)),
        ("10.1.2.3", {"x-forwarded-for": "6.6.6.6, 8.8.8.8, 10.1.9.9"}, Client("8.8.8.8", "http", False)),
        ("10.1.2.3", {"x-forwarded-for": "10.1.7.7"}, Client("10.1.7.7", "http", False)),
        ("10.1.2.3", {"x-forwarded-for": "127.0.0.1"}, Client("127.0.0.1", "http", False)),
        ("10.1.2.3", {"x-forwarded-proto": "https"}, Client("10.1.2.3", "https", False)),
        ("10.1.2.3", {"x-forwarded-proto": "gopher"}, Client("10.1.2.3", "http", False)),
        ("::1", {"x-forwarded-for": " , "}, Client("::1", "http", False)),
    ],
)
def test_who_asks(peer: str, told: dict[str, str], expected: Client) -> None:
    assert client_of({"client": (peer, 1), "scheme": "http"}, Headers(told), PROXIES) == expected


def test_who_asks_where_nobody_is_known() -> None:
    assert client_of({"client": None}, Headers(), ()) == Client("", "http", False)


def test_a_proxy_is_an_address() -> None:
    with pytest.raises(ConfigError, match=r"10\.0\.0\.0/8"):
        networks(["proxy.hospital"])
