"""A process that writes into an audit trail without end, for the tests that kill it."""

from __future__ import annotations

import time
from pathlib import Path

from sam_infer.audit.actor import Actor
from sam_infer.audit.line import Deed
from sam_infer.audit.trail import Trail


def write(folder: Path, who: str, told: Path) -> None:
    """Every acknowledgement is a line in the file `told`."""
    trail = Trail(folder)
    with told.open("ab", buffering=0) as file:
        for n in range(100_000):
            line = trail.add(Deed("label accepted", f"case {n}"), Actor(who, "a test"))
            file.write(f"{line.number}:{line.hash}\n".encode())
            time.sleep(0.001)
