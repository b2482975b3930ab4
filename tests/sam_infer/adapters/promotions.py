"""A process that moves the pointer of a store without end, for the tests that kill it."""

from __future__ import annotations

from pathlib import Path

from sam_infer.adapters.store import AdapterStore


def promote(home: Path) -> None:
    """Each of two adapters in turn."""
    store = AdapterStore("tiny", home)
    names = [stored.id for stored in store.adapters()]
    for n in range(100_000):
        store.promote(names[n % 2], f"move {n}")
