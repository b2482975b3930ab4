"""This checkout's server beside that of an earlier commit, in turns on the same machine: what became faster or slower?

    .venv/bin/python benchmarks/paired_servers.py --commit e5421b4

Both run in this environment, each with a home of its own, so that only our own code differs. Cold start, memory, the
first click on a volume, the next ones, ten readers who never pause: a ratio is this checkout's over the other's, the
median over pairs with its 95 % interval. Runs on a commit with an earlier one in its history: a shallow clone has none.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

from sam_trainer.provenance import require_clean
from sam_trainer.reports.record import Report, spelled
from samlabel.server_bench.older import checked_out, of_commit
from samlabel.server_bench.ours import launch
from samlabel.server_bench.paired import PairedPlan, measure
from samlabel.server_bench.scene import write_scenes

ROOT = Path(__file__).parents[1]
OUT = Path("benchmarks") / "results" / "latency_paired.json"
VOLUMES = 17


def say(text: str) -> None:
    """What is being done."""
    sys.stderr.write(f"{text}\n")


def main() -> None:
    """Start both, ask both, write the ratios."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--commit", required=True, help="the earlier one")
    parser.add_argument("--starts", type=int, default=5, help="of each server")
    parser.add_argument("--clicks", type=int, default=200, help="on each server")
    parser.add_argument("--blocks", type=int, default=4, help="of readers on each server")
    parser.add_argument("--seconds", type=float, default=8.0, help="that a block takes")
    parser.add_argument("--threads", type=int, default=2, help="per server")
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--allow-changed", action="store_true", help="measure a source tree that no commit names")
    options = parser.parse_args()
    require_clean(options.allow_changed)
    started = time.time()
    plan = PairedPlan(options.starts, options.clicks, options.blocks, options.seconds)
    with tempfile.TemporaryDirectory(prefix="samlabel-paired-") as name:
        folder = Path(name)
        scenes = write_scenes(folder / "studies", VOLUMES)
        packages = checked_out(options.commit, folder, ROOT)
        mine = launch(folder / "this", folder / "studies", "tiny", options.threads)
        other = of_commit(mine, packages, folder / "other")
        rows = measure((other, mine), scenes, plan, say)
    told = {name: value for name, value in vars(options).items() if name not in ("out", "allow_changed")}
    Report(spelled("benchmarks/paired_servers.py", told), 0, rows, started).write(options.out)
    for row in rows:
        sys.stdout.write(f"{row}\n")


if __name__ == "__main__":
    main()
