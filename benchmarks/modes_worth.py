"""What auto.json says elsewhere: README's column of what each mode is worth, and which modes are experimental.

.venv/bin/python benchmarks/modes_worth.py

prints the line of `sam_infer/automatic/experimental.py`; `benchmarks/figures.py` writes both, once auto.json is there.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

from sam_trainer.bench.automatic.run import experimental

ROOT = Path(__file__).parents[1]
RESULT = ROOT / "benchmarks" / "results" / "auto.json"
EXPERIMENTAL = ROOT / "sam_infer" / "automatic" / "experimental.py"
README = ROOT / "README.md"

BEFORE, AFTER = "| mode | what it needs | what it does |", "`sam_class` is the last one"
COLUMN = " clicks left on a slice |"
TOLD = (
    "The last column is what a simulated reader still has to click until Dice 0.90, ten times at most: mean over real "
    "folders, a case of each left out and the others teaching ([auto.json](benchmarks/results/auto.json))."
)


def figure(method: str, kind: str = "mode") -> str:
    """A marker for the clicks that a method leaves."""
    return f"<!-- figure: auto.json source=mean kind={kind} method={method} | {{clicks:.1f}} -->?<!-- / -->"


def worth() -> dict[str, str]:
    """A cell of the table by mode."""
    clicked = f"beginning with a click {figure('nothing', 'baseline')}"
    warped, coarse = (figure(name, "baseline") for name in ("warped_label", "coarse_map"))
    ways = f"{figure('grid')}, by a map {figure('grid_expects=map')}, `full` {figure('grid_gallery=full')}"
    passes = f"{figure('selfprompt')}, one pass {figure('selfprompt_passes=1')}"
    return {
        "best": f"{figure('best')}; {clicked}",
        "propose": f"{figure('propose')}; {clicked}",
        "grid": f"{ways}; what it starts from {warped} and {coarse}",
        "selfprompt": f"{passes}, `trained` {figure('selfprompt_heads=trained')}; the map alone {coarse}",
        "detect": f"{figure('detect')}; its boxes filled {figure('boxes', 'baseline')}",
        "atlas": f"{figure('atlas')}, three cases {figure('atlas_atlases=3')}; the warped label alone {warped}",
        "semantic": "not measured here: it needs an adapter",
    }


def with_worth(text: str) -> str:
    """README with the column, as it is where it has it."""
    if BEFORE + COLUMN in text:
        return text
    cells = worth()
    lines = text.split("\n")
    start = lines.index(BEFORE)
    end = next(n for n, line in enumerate(lines) if line.startswith(AFTER))
    lines[start : start + 2] = [BEFORE + COLUMN, "|---|---|---|---|"]
    for number in range(start + 2, end):
        mode = re.match(r"\| `(\w+)`", lines[number])
        if mode:
            lines[number] += f" {cells[mode[1]]} |"
    lines[end:end] = [TOLD, ""]
    return "\n".join(lines)


def experimental_line() -> str:
    """What `experimental.py` should say."""
    modes = experimental(json.loads(RESULT.read_text())["rows"])
    said = ", ".join(f'"{mode}"' for mode in modes) + ("," if len(modes) == 1 else "")
    return f"EXPERIMENTAL: tuple[str, ...] = ({said})"


def write() -> None:
    """Both, where something was measured."""
    if RESULT.exists():
        README.write_text(with_worth(README.read_text()))
        before = EXPERIMENTAL.read_text()
        EXPERIMENTAL.write_text(re.sub(r"^EXPERIMENTAL: .*$", experimental_line(), before, flags=re.M))


if __name__ == "__main__":
    sys.stdout.write(experimental_line() + "\n")
