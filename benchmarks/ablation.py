"""What the parts of the embedded model are worth: short trainings that differ in one part.

    .venv/bin/python benchmarks/ablation.py --steps 120 --out benchmarks/results/tiny-ablation.json
    .venv/bin/python benchmarks/ablation.py --arms --steps 30 --out benchmarks/results/tiny-arms.json

With `--arms` kinds of scenes differ instead, and every training goes on from the weights that ship.

`--resume` trains the variants that the result lacks. `make figures` puts the tables into docs/tiny-ablation.md.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path

from sam_infer.networks.tiny.backbone import WEIGHTS
from sam_trainer.pretraining.ablation import VARIANTS, ablate
from sam_trainer.pretraining.arms import ARMS, compare_arms
from sam_trainer.pretraining.config import PretrainConfig
from sam_trainer.provenance import require_clean
from sam_trainer.reports.record import spelled


def main() -> None:
    """Train what is missing, write it down."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=120)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("runs/bench/tiny-ablation.json"))
    parser.add_argument("--arms", action="store_true", help="compare kinds of scenes, from the weights that ship")
    parser.add_argument("--resume", action="store_true")
    parser.add_argument("--allow-changed", action="store_true", help="measure a source tree that no commit names")
    options = parser.parse_args()
    require_clean(options.allow_changed)
    if not options.resume:
        options.out.unlink(missing_ok=True)
    kind = {"arms": True} if options.arms else {}
    command = spelled("benchmarks/ablation.py", {**kind, "steps": options.steps, "seed": options.seed})
    with tempfile.TemporaryDirectory(prefix="samlabel-ablation-") as folder:
        if options.arms:
            going_on = PretrainConfig(out=Path(folder), steps=options.steps, seed=options.seed, init=WEIGHTS)
            compare_arms(going_on, list(ARMS), options.out, command)
            return
        known = json.loads(options.out.read_text())["rows"] if options.out.exists() else []
        left = [name for name in VARIANTS if name not in {row["variant"] for row in known}]
        ablate(PretrainConfig(out=Path(folder), steps=options.steps, seed=options.seed), left, options.out, command)


if __name__ == "__main__":
    main()
