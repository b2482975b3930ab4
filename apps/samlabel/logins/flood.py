"""Refusals by the thousand: each counts, and from some number on they share a line, or they would fill the disk."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from samlabel.logins.throttle import network_of

# Lines of one address within a minute; a ward behind one address that mistypes all morning stays below.
FREE, WINDOW_S = 100, 60.0


@dataclass
class _Window:
    began: float
    count: int = 0


class Flood:
    """How many refusals came from where within the last minute."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock, self._lock = clock, threading.Lock()
        self._windows: OrderedDict[str, _Window] = OrderedDict()  # the oldest first

    def look(self, address: str) -> tuple[bool, list[tuple[str, int]]]:
        """Whether one more from there gets a line of its own; and what was counted besides in minutes that are over."""
        place, now = network_of(address), self._clock()
        with self._lock:
            over = []
            while self._windows and now - next(iter(self._windows.values())).began > WINDOW_S:
                where, window = self._windows.popitem(last=False)
                if window.count > FREE:
                    over.append((where, window.count - FREE))
            window = self._windows.setdefault(place, _Window(now))
            window.count += 1
            return window.count <= FREE, over
