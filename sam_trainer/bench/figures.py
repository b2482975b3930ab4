"""Figures of the benches: bar charts, curves and walls of pictures."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from sam_trainer.bench.gallery import Gallery
from sam_trainer.reports.table import ALL, MEAN, Row

RANKS = ("best", "median", "worst")


def by_source(rows: Sequence[Row], strategies: Sequence[str]) -> Figure:
    """Deployable Dice of each source as grouped bars, the mean first."""
    wanted = [r for r in rows if r["label"] == ALL and r["modality"] == ALL and r["rule"] == "deployable"]
    values = {(r["source"], r["strategy"]): r["dice"] for r in wanted}
    sources = [MEAN, *sorted({r["source"] for r in wanted} - {MEAN})]
    figure = Figure(figsize=(11, 0.45 * len(sources) + 1.5))
    axes = figure.subplots()
    height = 0.8 / len(strategies)
    for n, strategy in enumerate(strategies):
        places = np.arange(len(sources)) + (n - (len(strategies) - 1) / 2) * height
        axes.barh(places, [values.get((source, strategy), 0.0) for source in sources], height, label=strategy)
    axes.set_yticks(range(len(sources)), sources)
    axes.invert_yaxis()
    axes.set_xlim(0, 1)
    axes.set_xlabel("Dice")
    axes.legend(fontsize=8, loc="lower right")
    axes.grid(axis="x", alpha=0.3)
    return figure


def over_clicks(rows: Sequence[Row], model: str) -> Figure:
    """Dice over clicks: every method's mean, and the model on each source in grey."""
    figure = Figure(figsize=(8, 5))
    axes = figure.subplots()
    whole = [r for r in rows if r["label"] == ALL and r["modality"] == ALL]
    for source in sorted({r["source"] for r in whole} - {MEAN}):
        line = sorted((r["clicks"], r["dice"]) for r in whole if r["source"] == source and r["method"] == model)
        axes.plot(*zip(*line, strict=True), color="0.82", linewidth=1, zorder=0)
    for method in dict.fromkeys(r["method"] for r in whole):
        mean = sorted((r["clicks"], r["dice"]) for r in whole if r["source"] == MEAN and r["method"] == method)
        axes.plot(*zip(*mean, strict=True), marker="o", label=method)
    axes.set_xlabel("clicks")
    axes.set_ylabel("Dice")
    axes.set_ylim(0, 1)
    axes.legend()
    axes.grid(alpha=0.3)
    return figure


def over_levels(rows: Sequence[Row]) -> Figure:
    """Mean deployable Dice over the level of disturbance of each box mode."""
    figure = Figure(figsize=(8, 5))
    axes = figure.subplots()
    mean = [r for r in rows if r["source"] == MEAN and r["rule"] == "deployable"]
    for mode in ("edges", "shift", "scale"):
        line = sorted((float(r["level"]), r["dice"]) for r in mean if r["mode"] == mode and "px" not in r["level"])
        axes.plot(*zip(*line, strict=True), marker="o", label=mode)
    axes.set_xlabel("disturbance, share of the box's side")
    axes.set_ylabel("Dice")
    axes.set_ylim(0, 1)
    axes.legend()
    axes.grid(alpha=0.3)
    return figure


def wall(gallery: Gallery, condition: str) -> Figure:
    """Best, median and worst answer of every source; truth green, answer red."""
    shots = gallery.extremes(condition)
    sources = list(dict.fromkeys(shot.source for _, shot in shots))
    figure = Figure(figsize=(2.5 * len(RANKS), 2.7 * max(len(sources), 1)))
    grid = figure.subplots(max(len(sources), 1), len(RANKS), squeeze=False)
    for axes in grid.ravel():
        axes.axis("off")
    for rank, shot in shots:
        axes = grid[sources.index(shot.source)][RANKS.index(rank)]
        axes.imshow(shot.picture)
        axes.set_title(f"{shot.source}\n{shot.caption[:34]}\n{rank}: {shot.dice:.2f}", fontsize=7)
    figure.tight_layout()
    return figure
