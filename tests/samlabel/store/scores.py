"""A process that writes scores into the record of a studies folder, for the test that writes labels beside it."""

from __future__ import annotations

import sys
from pathlib import Path

from samlabel.host.lazy_host import light_host
from tests.processes import wait_until

with light_host():
    from samlabel.store.folder import StudyStore


def write(folder: Path, count: int) -> None:
    """So many scores, once the file `go` is there."""
    store = StudyStore(str(folder), auto_reload=False)
    (folder / "ready").touch()
    wait_until((folder / "go").exists, "the other began", every_s=0.001)
    for n in range(count):
        store.update_image_info("a", {f"score-{n}": n})


if __name__ == "__main__":
    write(Path(sys.argv[1]), int(sys.argv[2]))
