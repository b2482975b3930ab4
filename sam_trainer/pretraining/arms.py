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

# Kinds of scene by what they are for; `mixed` is all of them.
GROUPS: dict[str, tuple[str, ...]] = {
    "general": ("trunk", "lesion", "nested", "packed", "pair", "fundus"),
    "round": ("ventricle", "optic", "faint"),
    "fine": ("vessels", "cells", "texture"),
}
ARMS: dict[str, tuple[str, ...]] = {**GROUPS, "mixed": ()}


def compare_arms(config: PretrainConfig, names: Sequence[str], report: Path) -> list[dict[str, Any]]:
    """Train the named arms from `config.init` and write what each can do to `report`; weights lie in `config.out`."""
    unknown = set(names) - set(ARMS)
    if unknown:
        raise TrainingError(f"there is no arm {', '.join(sorted(unknown))}: choose from {', '.join(ARMS)}", "names")
    rows = [{"arm": "none: as it was", "steps": 0, "images": 0, "cpu_seconds": 0, **_judged(config)}]
    for name in names:
        legs = tuple(Leg(leg.until, replace(leg.shape, kinds=ARMS[name])) for leg in config.legs)
        started = time.process_time()
        run = replace(config, legs=legs, out=config.out / name)
        steps = pretrain(run).steps
        spent = round(time.process_time() - started)
        found = _judged(replace(config, init=run.out / "tiny.safetensors"))
        rows.append(
            {"arm": name, "steps": steps, "images": steps * legs[0].shape.images, "cpu_seconds": spent, **found}
        )
    report.parent.mkdir(parents=True, exist_ok=True)
    report.write_text(json.dumps({"rows": rows}, indent=1) + "\n")
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


def arms_page(report: Path) -> list[str]:
    """The table of `report` as lines of Markdown."""
    keys = [f"{group}_{key}" for group in GROUPS for key in ("box", "click")]
    named = [key.replace("_", " scenes, ") for key in keys]
    lines = [
        f"| arm | steps | images | CPU seconds | {' | '.join(named)} |",
        f"|{'---|' * (4 + len(keys))}",
    ]
    for row in json.loads(report.read_text())["rows"]:
        cost = [str(row[key]) for key in ("arm", "steps", "images", "cpu_seconds")]
        lines.append(f"| {' | '.join([*cost, *(f'{row[key]:.3f}' for key in keys)])} |")
    return lines
