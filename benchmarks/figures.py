"""`make figures`: fill in the figures of README and docs from benchmarks/results.

.venv/bin/python benchmarks/figures.py
"""

from __future__ import annotations

import json
import sys
from functools import cache
from pathlib import Path
from typing import Any

from sam_trainer.reports.figures_in_text import filled

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results"


@cache
def document(name: str) -> dict[str, Any]:
    """One result file."""
    return dict(json.loads((RESULTS / name).read_text()))


def main() -> None:
    """Write every document whose figures have changed."""
    for path in (*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))):
        before = path.read_text()
        after = filled(before, document)
        if after != before:
            path.write_text(after)
            sys.stdout.write(f"filled in {path.relative_to(ROOT)}\n")


if __name__ == "__main__":
    main()
