"""Slows guessing: after a few wrong passwords an account waits at the address they came from, longer each time.

Only there: whoever has the right password gets in from elsewhere, so nobody can lock a colleague out. An address that
guesses at many accounts waits as a whole.
"""

from __future__ import annotations

import ipaddress
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

FREE = 5  # wrong passwords of one account from one address before it waits
FREE_ADDRESS = 30  # of one address, whatever the account: a ward may sit behind one
LONGEST_S = 900.0
FORGOTTEN_S = 3600.0

# Kept at most: an attacker with many names fills no memory. The oldest are forgotten first.
MOST = 20_000

Key = tuple[str, str]


@dataclass
class _Wrong:
    count: int
    last: float


class Throttle:
    """Who has to wait before the next password is looked at."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock, self._lock = clock, threading.Lock()
        self._wrong: OrderedDict[Key, _Wrong] = OrderedDict()

    def waits(self, name: str, address: str) -> float:
        """Seconds until a password of this account from this address is looked at; 0: now, and it counts as wrong.

        It counts before it is looked at, so that a thousand at once are no way around; `right` takes it back.
        """
        now, place = self._clock(), network_of(address)
        account, whole = (name.lower(), place), ("", place)
        with self._lock:
            left = max(self._left(account, FREE, now), self._left(whole, FREE_ADDRESS, now))
            if not left:
                self._count(account, now)
                self._count(whole, now)
            return left

    def right(self, name: str, address: str) -> None:
        """A password was right: this account starts anew at this address; what others got wrong there stays."""
        place = network_of(address)
        with self._lock:
            self._wrong.pop((name.lower(), place), None)
            if ("", place) in self._wrong:
                self._wrong["", place].count -= 1

    def _left(self, key: Key, free: int, now: float) -> float:
        found = self._wrong.get(key)
        if found is None or found.count < free:
            return 0.0
        waiting = min(2.0 ** min(found.count - free, 20), LONGEST_S)
        return max(0.0, found.last + waiting - now)

    def _count(self, key: Key, now: float) -> None:
        found = self._wrong.pop(key, None)
        before = found.count if found is not None and now - found.last < FORGOTTEN_S else 0
        self._wrong[key] = _Wrong(before + 1, now)
        while len(self._wrong) > MOST:
            self._wrong.popitem(last=False)


def network_of(address: str) -> str:
    """What an attacker cannot vary for nothing: an IPv4 address, the first half of an IPv6 one."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(found, ipaddress.IPv6Address):
        if found.ipv4_mapped is not None:
            return str(found.ipv4_mapped)
        return str(ipaddress.ip_network((found, 64), strict=False))
    return str(found)
