"""Both servers in one run, on the same volumes: times, bytes, memory, and the ratios between them."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sam_trainer.bench.page import Page
from sam_trainer.bench.runs import Outcome
from sam_trainer.bench.table import Row
from samlabel.stopwatch import beside, crowd, ours, stock
from samlabel.stopwatch.running import Launch, Running, ServerError
from samlabel.stopwatch.scene import THIN_SHAPE, Scene, write_scenes
from samlabel.stopwatch.visit import OURS, Visit

VOLUMES = 4
CROWDS = (4, 10)
READERS = 10

# The stock server takes seconds for every click.
STOCK_REPEATS = 5

COLUMNS = ("server", "model", "phase", "clients", "n", "median_ms", "p95_ms", "bytes", "state", "beside", "times")


@dataclass(frozen=True)
class ServerPlan:
    """What is measured."""

    models: Sequence[str]
    stock: Path | None  # folder of the stock environment; None leaves the stock server out
    repeats: int
    threads: int
    crowd_seconds: float


def run_servers(plan: ServerPlan) -> Outcome:
    """Start every server, visit it, compare."""
    with tempfile.TemporaryDirectory(prefix="samlabel-") as name:
        folder = Path(name)
        studies = folder / "studies"
        scenes = write_scenes(studies, VOLUMES)
        (thin,) = write_scenes(studies, 1, THIN_SHAPE, "thin")
        rows: list[Row] = []
        for model in plan.models:
            launch = ours.launch(folder / model, studies, model, plan.threads)
            rows += _visited(launch, scenes, thin, plan.repeats, plan.crowd_seconds)
            rows += _restarted(launch, scenes)
        note = _stock_rows(plan, studies, scenes, thin, rows)
    rows += ratios(rows)
    page = Page("Latency of servers")
    page.table("Phases", [{column: row.get(column, "") for column in COLUMNS} for row in rows], COLUMNS)
    if note:
        page.text(note)
    return Outcome(rows, page)


def ratios(rows: Sequence[Row]) -> list[Row]:
    """How many times less than the stock server, and how many times the floor of our own."""
    found = {(row["server"], row["model"], row["phase"], row["clients"]): row for row in rows if "median_ms" in row}
    stock_rows = [row for key, row in found.items() if key[0] == "stock"]
    made: list[Row] = []
    for model in dict.fromkeys(row["model"] for row in rows if row["server"] == OURS):
        for theirs in stock_rows:
            here = found.get((OURS, model, theirs["phase"], theirs["clients"]))
            if here is not None:
                made.append(_ratio(model, f"stock/{theirs['phase']}", theirs, here["median_ms"]))
        alone = {phase: found[OURS, model, phase, 1]["median_ms"] for phase in ("next_click", "decode", "round_trip")
                 if (OURS, model, phase, 1) in found}  # fmt: skip
        if len(alone) == 3:
            click = found[OURS, model, "next_click", 1]
            made.append(_ratio(model, "next_click/floor", click, alone["decode"] + alone["round_trip"]))
    return made


def _ratio(model: str, phase: str, above: Row, below_ms: float) -> Row:
    times = round(above["median_ms"] / below_ms, 2)
    return {"server": "ratio", "model": model, "phase": phase, "clients": above["clients"], "times": times}


def _visited(launch: Launch, scenes: Sequence[Scene], thin: Scene, repeats: int, crowd_seconds: float) -> list[Row]:
    with Running(launch) as server:
        rows = Visit(server, scenes, thin, repeats).run(CROWDS)
        if crowd_seconds:
            together = crowd.measure(server.port, scenes, READERS, crowd_seconds)
            with beside.training(launch.folder):
                together.append(crowd.measure_one(server.port, scenes, crowd_seconds, "training"))
            rows += [{**row, "model": launch.model} for row in together]
        return rows


def _restarted(launch: Launch, scenes: Sequence[Scene]) -> list[Row]:
    """The same server again: its disk remembers every slice."""
    with Running(launch) as server:
        visit = Visit(server, scenes, scenes[0], 1)
        visit.restarted()
        return visit.rows


def _stock_rows(plan: ServerPlan, studies: Path, scenes: Sequence[Scene], thin: Scene, rows: list[Row]) -> str:
    """Add the stock server's rows; without it, a row and a sentence that say so."""
    if plan.stock is None:
        reason = "the stock server was not asked for (--stock FOLDER)"
    else:
        try:
            launch = stock.launch(plan.stock.resolve(), studies, plan.threads)
            rows += _visited(launch, scenes, thin, STOCK_REPEATS, 0.0)
            return ""
        except ServerError as error:
            reason = str(error)
    rows.append({"server": "stock", "model": stock.MODEL, "phase": "left_out", "clients": 0, "reason": reason})
    return f"No ratios to the stock server: {reason}."
