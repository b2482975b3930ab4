"""Arms of the training that goes on from given weights: which kinds of scene teach what, in short runs of equal length.

Every arm is judged on held-out scenes of each group of kinds, also of those that it never saw: what is forgotten is
part of the price.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from sam_trainer.errors import TrainingError
from sam_trainer.pretraining.ablation import examine
from sam_trainer.pretraining.config import Leg, PretrainConfig
from sam_trainer.pretraining.run import new_state, pretrain
from sam_trainer.reports.record import Report, command_line

# Kinds of scene by what they are for; `mixed` is all of them.
GROUPS: dict[str, tuple[str, ...]] = {
    "general": ("trunk", "lesion", "nested", "packed", "pair", "fundus"),
    "round": ("ventricle", "optic", "faint"),
    "fine": ("vessels", "cells", "texture"),
}
ARMS: dict[str, tuple[str, ...]] = {**GROUPS, "mixed": ()}


# What the weights can do that every arm begins with.
BEFORE = "none: as it was"


def compare_arms(config: PretrainConfig, names: Sequence[str], report: Path, command: str = "") -> list[dict[str, Any]]:
    """Train the named arms from `config.init` and write what each can do to `report`; weights lie in `config.out`.

    Rows that `report` has already stay; it is complete when every arm is there.
    """
    unknown = set(names) - set(ARMS)
    if unknown:
        raise TrainingError(f"there is no arm {', '.join(sorted(unknown))}: choose from {', '.join(ARMS)}", "names")
    begun = time.time()
    rows: list[dict[str, Any]] = json.loads(report.read_text())["rows"] if report.exists() else []
    known = {row["arm"] for row in rows}

    def keep(row: dict[str, Any]) -> None:
        rows.append(row)
        complete = {one["arm"] for one in rows} >= {BEFORE, *ARMS}
        Report(command or command_line(), config.seed, rows, begun, complete=complete).write(report)

    if BEFORE not in known:
        keep({"arm": BEFORE, "steps": 0, "images": 0, "cpu_seconds": 0, **_judged(config)})
    for name in (name for name in names if name not in known):
        legs = tuple(Leg(leg.until, replace(leg.shape, kinds=ARMS[name])) for leg in config.legs)
        started = time.process_time()
        run = replace(config, legs=legs, out=config.out / name)
        done = pretrain(run)
        spent = round(time.process_time() - started)
        found = _judged(replace(config, init=run.out / "tiny.safetensors"))
        keep({"arm": name, "steps": done.steps, "images": done.images, "cpu_seconds": spent, **found})
    return rows


def _judged(config: PretrainConfig) -> dict[str, float]:
    """Dice of boxes and of clicks on held-out scenes of each group, of the weights in `config.init`."""
    model = new_state(config).average.eval()
    shape = config.legs[0].shape
    values: dict[str, float] = {}
    for group, kinds in GROUPS.items():
        found = examine(model, replace(shape, kinds=kinds))
        values |= {f"{group}_{key}": found[key] for key in ("box", "click")}
    return values


def arms_table(rows: Sequence[dict[str, Any]]) -> str:
    """What every arm can do on scenes of every group, as Markdown."""
    keys = [f"{group}_{key}" for group in GROUPS for key in ("box", "click")]
    named = [key.replace("_", " scenes, ") for key in keys]
    lines = [
        f"| arm | steps | CPU seconds | {' | '.join(named)} |",
        f"|{'---|' * (3 + len(keys))}",
    ]
    for row in rows:
        cost = [str(row[key]) for key in ("arm", "steps", "cpu_seconds")]
        lines.append(f"| {' | '.join([*cost, *(f'{row[key]:.3f}' for key in keys)])} |")
    return "\n".join(lines) + "\n"
