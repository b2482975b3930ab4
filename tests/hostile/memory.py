"""Memory that this process took at its highest, beyond what it had: whatever was given back meanwhile counts too."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

STATUS, RESET = Path("/proc/self/status"), Path("/proc/self/clear_refs")


@dataclass
class Peak:
    """Megabytes above the start, known when the block is over."""

    mb: int = 0


@contextmanager
def peak() -> Iterator[Peak]:
    """Watch the highest resident memory of a block."""
    RESET.write_text("5")  # forget the highest so far
    found, before = Peak(), _kb("VmRSS")
    yield found
    found.mb = (_kb("VmHWM") - before) >> 10


def _kb(field: str) -> int:
    return next(int(line.split()[1]) for line in STATUS.read_text().splitlines() if line.startswith(f"{field}:"))
