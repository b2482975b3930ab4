"""`make figures`: fill in the figures of README and docs from benchmarks/results, and what measures of doubt are worth.

.venv/bin/python benchmarks/figures.py
"""

from __future__ import annotations

import json
import runpy
import sys
from functools import cache
from pathlib import Path
from typing import Any

from sam_trainer.reports.figures_in_text import filled

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results"
CORRELATIONS = ROOT / "sam_infer" / "uncertainty" / "error_correlation.json"


@cache
def document(name: str) -> dict[str, Any]:
    """One result file."""
    return dict(json.loads((RESULTS / name).read_text()))


# Pools of cases that say what a measure of doubt is worth, and the committed files that say it.
POOLS = {"graded": "uncertainty.json", "folders": "uncertainty-folders.json"}


def worth() -> str:
    """What the file of correlations should hold: those over volumes, by measure and pool."""
    found: dict[str, list[dict[str, Any]]] = {}
    for pool, name in POOLS.items():
        for row in document(name)["rows"]:
            if row.get("unit") == "volume":
                said = {"spearman": row["spearman"], "low": row["ci_low"], "high": row["ci_high"]}
                found.setdefault(row["method"], []).append({"pool": pool, **said})
    rows = ",\n".join(f"  {json.dumps(method)}: {json.dumps(said)}" for method, said in found.items())
    files = json.dumps([f"benchmarks/results/{name}" for name in POOLS.values()])
    return f'{{\n "from": {files},\n "measures": {{\n{rows}\n }}\n}}\n'


def main() -> None:
    """Write every document whose figures have changed."""
    runpy.run_path(str(ROOT / "benchmarks" / "modes_worth.py"))["write"]()  # no module of a package
    if CORRELATIONS.read_text() != worth():
        CORRELATIONS.write_text(worth())
        sys.stdout.write(f"filled in {CORRELATIONS.relative_to(ROOT)}\n")
    for path in (*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))):
        before = path.read_text()
        after = filled(before, document)
        if after != before:
            path.write_text(after)
            sys.stdout.write(f"filled in {path.relative_to(ROOT)}\n")


if __name__ == "__main__":
    main()
