"""Where a request comes from: the peer, or what a proxy that the settings name says of it."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass

from starlette.datastructures import Headers
from starlette.types import Scope

from samlabel.errors import ConfigError

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

# Any of these says that somebody stands between, whether they are believed or not.
TOLD = ("x-forwarded-for", "x-forwarded-proto", "x-real-ip", "forwarded", "via")


@dataclass(frozen=True)
class Client:
    """The other end of a request."""

    address: str
    scheme: str
    local: bool  # from this machine, with nobody between


def networks(proxies: Sequence[str]) -> tuple[Network, ...]:
    """Addresses and networks as the setting `proxies` has them."""
    try:
        return tuple(ipaddress.ip_network(text, strict=False) for text in proxies)
    except ValueError as error:
        raise ConfigError(f"proxies must be addresses or networks such as 10.0.0.0/8: {error}", "proxies") from None


def client_of(scope: Scope, headers: Headers, proxies: Sequence[Network]) -> Client:
    """Who asks. From the right of `x-forwarded-for` on, the first address that is no proxy of ours is believed."""
    peer, scheme = (scope.get("client") or ("", 0))[0], scope.get("scheme", "http")
    if not _within(peer, proxies):
        return Client(peer, scheme, _loopback(peer) and not any(name in headers for name in TOLD))
    told = [part.strip() for line in headers.getlist("x-forwarded-for") for part in line.split(",") if part.strip()]
    address = next((part for part in reversed(told) if not _within(part, proxies)), told[0] if told else peer)
    told_scheme = headers.get("x-forwarded-proto", "").strip().lower()
    return Client(address[:64], told_scheme if told_scheme in ("http", "https") else scheme, local=False)


def _within(address: str, proxies: Sequence[Network]) -> bool:
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return False
    return any(found in network for network in proxies)


def _loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False
