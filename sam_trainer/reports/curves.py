"""Learning curves of a pre-training run, drawn from its log."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

# Rows are averaged in groups, so that no more than this many points are drawn.
POINTS = 150


def read_log(path: Path) -> list[dict[str, Any]]:
    """The rows of a run's log; a line cut off by a crash is left out."""
    rows = []
    for line in path.read_text().splitlines():
        try:
            rows.append(json.loads(line))
        except json.JSONDecodeError:
            continue
    return rows


def draw_curves(log: Path, picture: Path) -> None:
    """Losses of the three answers and of the scores against minutes, with the learning rate below, as PNG."""
    # heavy, and only wanted here
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    rows = read_log(log)
    if not rows:
        return
    groups = np.array_split(np.arange(len(rows)), min(POINTS, len(rows)))

    def curve(key: str) -> list[float]:
        return [float(np.mean([rows[i][key] for i in group])) for group in groups]

    minutes = [second / 60 for second in curve("seconds")]
    figure = Figure(figsize=(8, 6), layout="constrained")
    FigureCanvasAgg(figure)
    losses, rate = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    for key, name in (("mask0", "first prompt"), ("mask1", "second answer"), ("mask2", "third answer")):
        losses.plot(minutes, curve(key), label=name)
    losses.plot(minutes, curve("score"), label="predicted IoU", color="grey")
    losses.set_ylabel("loss")
    losses.set_ylim(bottom=0)
    losses.legend()
    rate.plot(minutes, curve("lr"), color="black")
    rate.set_ylabel("learning rate")
    rate.set_xlabel("minutes")
    figure.savefig(picture, dpi=110)
