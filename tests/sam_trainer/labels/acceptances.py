"""A process that accepts labels without end, for the tests that kill it."""

from __future__ import annotations

from pathlib import Path

from sam_trainer.labels.ledger import Ledger


def accept(folder: Path, who: str, labels: Path, told: Path) -> None:
    """Every acknowledgement is a line in the file `told`."""
    ledger = Ledger(folder)
    with told.open("ab", buffering=0) as file:
        for n in range(100_000):
            label = labels / f"{who}{n}.nii.gz"
            label.write_bytes(f"{who} {n}".encode() * 50)
            record = ledger.accept(f"{who}{n % 5}", label, {"reader": who})
            file.write(f"{record.case} {record.version} {record.label_sha256}\n".encode())
