"""`make figures`: fill in the figures of README and docs from benchmarks/results, and what measures of doubt are worth.

.venv/bin/python benchmarks/figures.py
"""

from __future__ import annotations

import json
import re
import runpy
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from sam_trainer.bench.card.few_cases import FILES, FIRST_CLICK, FewCases
from sam_trainer.bench.learning.arms import NONE
from sam_trainer.pretraining.ablation import variants_table
from sam_trainer.pretraining.arms import arms_table
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


NOT_MEASURED = "Not measured yet.\n"


def with_tables(text: str) -> str:
    """A document with the tables that are made here as they are, where it has them."""
    for name, table in TABLES.items():
        place = re.compile(rf"(?<=<!-- {name} -->\n).*?(?=<!-- end of {name} -->)", re.S)
        text = place.sub(lambda _, table=table: table(), text)
    return text


def few_cases() -> str:
    """What few accepted cases are worth: in words, over their number, and on real folders."""
    there = {name: document(f"{name}.json") for name in FILES if (RESULTS / f"{name}.json").exists()}
    told = FewCases.of({name: one["rows"] for name, one in there.items() if one.get("complete")})
    if told is None:
        return NOT_MEASURED
    return "\n\n".join([told.sentences(), told.over_counts(FIRST_CLICK, NONE), told.over_folders()]) + "\n"


def kinds_table(rows: list[dict[str, Any]]) -> str:
    """Every kind: what its cohort asks, its gain there over `lora`, what it costs, its gain on real folders."""
    real = document("train-kinds.json")["rows"] if (RESULTS / "train-kinds.json").exists() else []
    head = "| kind | made for | Dice there, over lora (95 %) | verdict | parameters | MB | min | real folders |\n"
    proofs = [row for row in rows if "gain" in row]
    return head + "|---|---|---|---|---|---|---|---|\n" + "".join(_of_kind(row, real) for row in proofs)


def _of_kind(row: dict[str, Any], real: list[dict[str, Any]]) -> str:
    gained = f"{row['dice']:.2f}, {row['gain']:+.3f} ({row['ci_low']:+.3f} to {row['ci_high']:+.3f})"
    cost = f"{row['parameters']:,} | {row['megabytes']:.1f} | {row['seconds'] / 60:.1f}"
    folders = "; ".join(_on_folders(row["method"], measure, real) for measure in ("dice_1click", "dice_semantic"))
    return f"| `{row['method']}` | {row['idea']} | {gained} | {row['verdict']} | {cost} | {folders} |\n"


def _on_folders(method: str, measure: str, real: list[dict[str, Any]]) -> str:
    """The mean gain over `lora` of real folders, and on how many of them it is one."""
    about = {"method": method, "over": "lora+decoder", "measure": measure}
    found = [row for row in real if "gain" in row and all(row[key] == value for key, value in about.items())]
    words = {"dice_1click": "a click", "dice_semantic": "named labels"}[measure]
    if not found:
        return f"{words}: not measured yet"
    gains = sum(row["verdict"] == "gain" for row in found)
    return f"{words} {sum(row['gain'] for row in found) / len(found):+.3f}, a gain on {gains} of {len(found)}"


def of_file(table: Callable[[list[dict[str, Any]]], str], name: str) -> str:
    """The rows of one result file as a table."""
    return table(document(name)["rows"]) if (RESULTS / name).exists() else NOT_MEASURED


# What stands between `<!-- NAME -->` and `<!-- end of NAME -->` in a document, whatever stood there.
TABLES: dict[str, Callable[[], str]] = {
    "kinds of adapters": lambda: of_file(kinds_table, "kinds.json"),
    "few cases": few_cases,
    "parts of the model": lambda: of_file(variants_table, "tiny-ablation.json"),
    "kinds of scenes": lambda: of_file(arms_table, "tiny-arms.json"),
}


def main() -> None:
    """Write every document whose figures have changed."""
    runpy.run_path(str(ROOT / "benchmarks" / "modes_worth.py"))["write"]()  # no module of a package
    if CORRELATIONS.read_text() != worth():
        CORRELATIONS.write_text(worth())
        sys.stdout.write(f"filled in {CORRELATIONS.relative_to(ROOT)}\n")
    for path in (*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))):
        before = path.read_text()
        after = with_tables(filled(before, document))
        if after != before:
            path.write_text(after)
            sys.stdout.write(f"filled in {path.relative_to(ROOT)}\n")


if __name__ == "__main__":
    main()
