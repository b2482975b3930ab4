"""Small LRU cache of derived values that come back: a registration, a coarse map; never a memory of requests.

The key holds everything that could change the value, as for embeddings. Values are small; the few last used are kept.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any, TypeVar

Value = TypeVar("Value")

ENTRIES = 8


class LruCache:
    """The last few values by key; thread-safe. Two threads that want the same new value both compute it."""

    def __init__(self, entries: int = ENTRIES) -> None:
        self._entries = entries
        self._lock = threading.Lock()
        self._values: OrderedDict[Hashable, Any] = OrderedDict()

    def get(self, key: Hashable, make: Callable[[], Value]) -> Value:
        """The value of a key, made when it is not there."""
        with self._lock:
            if key in self._values:
                self._values.move_to_end(key)
                known: Value = self._values[key]
                return known
        made = make()
        with self._lock:
            self._values[key] = made
            while len(self._values) > self._entries:
                self._values.popitem(last=False)
        return made
