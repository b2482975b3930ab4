"""How far the ledger was heard, and for which network: one small file beside the learners."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from sam_infer.files import write_whole

VERSION, FILE = 1, "heard.json"


@dataclass(frozen=True)
class Heard:
    """Records of the ledger that learners know of; those of another network are of no use."""

    network: str
    records: int
    version: int = VERSION

    @classmethod
    def read(cls, folder: Path) -> Heard | None:
        """What a folder says; None where it says nothing that this version knows."""
        try:
            found = cls(**json.loads((folder / FILE).read_text()))
            return found if found.version == VERSION else None
        except (OSError, ValueError, TypeError):
            return None

    def write(self, folder: Path) -> None:
        """In one move: after a crash the records since are heard again."""
        write_whole(folder / FILE, json.dumps(asdict(self)), durable=True)
