"""Small LRU cache of derived values that come back: a registration, a coarse map; never a memory of requests.

The key holds everything that could change the value, as for embeddings. Values are small; the few last used are kept.
"""

from __future__ import annotations

import math
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any, TypeVar

Value = TypeVar("Value")

ENTRIES = 8


class LruCache:
    """The last few values by key; thread-safe. Two threads that want the same new value both compute it.

    With `weigh`, no more is kept than weighs `most` together.
    """

    def __init__(
        self, entries: int = ENTRIES, weigh: Callable[[Any], float] | None = None, most: float = math.inf
    ) -> None:
        self._entries = entries
        self._weigh, self._most, self._weight = weigh or _nothing, most, 0.0
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
        self.keep(key, made)
        return made

    def known(self, key: Hashable) -> Any:
        """The value of a key; None when it is not there."""
        with self._lock:
            if key in self._values:
                self._values.move_to_end(key)
            return self._values.get(key)

    def rekey(self, change: Callable[[Hashable], Hashable | None]) -> None:
        """Every value under the key that its own is changed to; None drops it."""
        with self._lock:
            values = [(change(key), value) for key, value in self._values.items()]
            self._values = OrderedDict((key, value) for key, value in values if key is not None)
            self._weight = sum(map(self._weigh, self._values.values()))

    def keep(self, key: Hashable, value: Any) -> None:
        """Remember a value, in place of an earlier one."""
        with self._lock:
            if key in self._values:
                self._weight -= self._weigh(self._values.pop(key))
            self._values[key] = value
            self._weight += self._weigh(value)
            while len(self._values) > self._entries or self._weight > self._most:
                self._weight -= self._weigh(self._values.popitem(last=False)[1])


def _nothing(_: Any) -> float:
    return 0.0
