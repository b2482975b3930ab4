"""`samlabel bench loop`: the active-learning bench as rows and a page."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from sam_trainer.active.strategies import HYBRID, RANDOM_FG
from sam_trainer.bench.learning.projects import LoopOrder, Played, play, summary
from sam_trainer.bench.runs import Outcome
from sam_trainer.reports.journal import Journal
from sam_trainer.reports.page import Page
from sam_trainer.reports.table import Row


def run_loop(order: LoopOrder, folder: Path | None, told: Callable[[Played], None], journal: Journal) -> Outcome:
    """Play every project of an order; `folder` keeps them, without one nothing is kept."""
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        return outcome(play(order, folder, told, journal), order)
    with tempfile.TemporaryDirectory(prefix="samlabel-loop-") as made:
        return outcome(play(order, Path(made), told, journal), order)


def outcome(played: Sequence[Played], order: LoopOrder) -> Outcome:
    """Rows per round, then what it comes to."""
    favourite = HYBRID if HYBRID in order.strategies else order.strategies[0]
    rows = [row for one in played for row in one.rows()]
    totals = summary(played, favourite)
    cpu: Row = {
        "source": "mean",
        "measure": "cpu seconds of all projects",
        "mean": round(sum(one.cpu_seconds for one in played), 1),
        "n": len(played),
    }
    page = Page("Does choosing cases pay?")
    saved = [row for row in totals if "against" in row]
    for rival in dict.fromkeys(row["against"] for row in saved):
        page.table(
            f"Clicks saved per case by {favourite} against {rival}: areas under the curves, paired by seed",
            [row for row in saved if row["against"] == rival],
            ("pool", "measure", "mean", "ci_low", "ci_high", "n", "verdict"),
        )
    falls = [row for row in totals if "against" not in row]
    page.table(
        "Clicks per case to Dice 0.9 on cases nobody labels: fall from the first round to the last",
        falls,
        ("pool", "strategy", "first", "last", "mean", "ci_low", "ci_high", "n"),
    )
    page.figure("curves", _curves(played))
    return Outcome([*rows, *totals, cpu], page)


def sentences(outcome: Outcome) -> list[str]:
    """What the terminal shows: the verdicts over cases against foreground-aware random, and the falls."""
    told = []
    for row in outcome.rows:
        if row.get("against") == RANDOM_FG and str(row["measure"]).endswith("over cases"):
            told.append(
                f"{row['pool']}: {row['strategy']} against {RANDOM_FG}: {row['verdict']}, {row['mean']:+.3f} "
                f"clicks per case (95 % CI {row['ci_low']:+.3f} to {row['ci_high']:+.3f})"
            )
        elif row.get("measure") == "fall of clicks per case":
            told.append(
                f"{row['pool']}: {row['strategy']}: {row['first']:.2f} -> {row['last']:.2f} clicks per case, "
                f"{row['mean']:.0%} fewer ({_between(row)})"
            )
    return told


def _between(row: Row) -> str:
    if row["n"] < 2:
        return "one seed, no interval"
    return f"95 % CI {row['ci_low']:.0%} to {row['ci_high']:.0%}"


def _curves(played: Sequence[Played]) -> Figure:
    pools = list(dict.fromkeys(one.pool for one in played))
    figure = Figure(figsize=(4.5 * len(pools), 4))
    for axes, pool in zip(np.atleast_1d(figure.subplots(1, len(pools))), pools, strict=True):
        here = [one for one in played if one.pool == pool]
        for strategy in dict.fromkeys(one.strategy for one in here):
            own = [one for one in here if one.strategy == strategy]
            cases = [r.cases for r in own[0].rounds]
            clicks = np.array([[r.test_clicks for r in one.rounds] for one in own])
            axes.plot(cases, clicks.mean(axis=0), marker="o", label=strategy)
            axes.fill_between(cases, clicks.min(axis=0), clicks.max(axis=0), alpha=0.12)
        axes.set_title(pool)
        axes.set_xlabel("labelled cases")
        axes.set_ylabel("clicks per case to Dice 0.9")
        axes.legend(fontsize=8)
    figure.tight_layout()
    return figure
