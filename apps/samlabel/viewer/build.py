"""Copies the OHIF extension from `apps/ohif/src` into the package: `python -m samlabel.viewer.build`, or `make viewer`.

The modules are served as they are written: nothing is bundled, and no user needs Node.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from samlabel.viewer.files import EXTENSION

SOURCE = Path(__file__).parents[2] / "ohif" / "src"


def build(source: Path = SOURCE, target: Path = EXTENSION) -> list[Path]:
    """Replace the package's copy by the source; the files that it has now."""
    if not source.is_dir():
        raise FileNotFoundError(f"{source} is missing: the extension is built from a checkout, not from a wheel")
    shutil.rmtree(target, ignore_errors=True)
    for file in sorted(source.rglob("*.js")):
        copy = target / file.relative_to(source)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(file.read_bytes())
    return sorted(target.rglob("*.js"))


if __name__ == "__main__":
    build()
