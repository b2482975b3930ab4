"""Benchmark run of both servers on the same volumes: times, bytes, memory, and the ratios between them."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from sam_trainer.bench.runs import Outcome
from sam_trainer.reports.journal import Journal
from sam_trainer.reports.page import Page
from sam_trainer.reports.table import Row
from samlabel.server_bench import ours, readers, stock, training_beside
from samlabel.server_bench.scene import THIN_SHAPE, Scene, write_scenes
from samlabel.server_bench.server_process import Launch, Running, ServerError
from samlabel.server_bench.visit import OURS, Visit

VOLUMES = 4
CROWDS = (4, 10)
READERS = 10

# The stock server takes seconds for every click, one after the other however many ask.
STOCK_REPEATS = 3
STOCK_CROWDS = (4,)

LEFT_OUT = "left_out"

COLUMNS = (
    "server",
    "model",
    "phase",
    "clients",
    "n",
    "median_ms",
    "p95_ms",
    "bytes",
    "state",
    "beside",
    "encodes",
    "lost",
    "masks_unequal",
    "times",
    "cpu_times",
)


@dataclass(frozen=True)
class ServerPlan:
    """What is measured."""

    models: Sequence[str]
    stock: Path | None  # folder of the stock environment; None leaves the stock server out
    repeats: int
    threads: int
    crowd_seconds: float
    volumes: int = VOLUMES  # that are read, two at least: one of them is the first of a server's life


def run_servers(
    plan: ServerPlan, keep: Callable[[Outcome], None] = lambda _: None, journal: Journal | None = None
) -> Outcome:
    """Start every server, visit it, compare; `keep` gets what there is after each of them."""
    rows: list[Row] = []
    kept = journal or Journal()
    with tempfile.TemporaryDirectory(prefix="samlabel-") as name:
        stages = _stages(plan, Path(name), kept.tell)
        kept.expect(list(stages))
        for key, stage in stages.items():
            rows += kept.unit(key, stage)
            keep(_outcome(rows))
    return _outcome(rows)


def _stages(plan: ServerPlan, folder: Path, say: Callable[[str], None]) -> dict[str, Callable[[], list[Row]]]:
    """What is measured one after the other, each with servers of its own."""
    studies = folder / "studies"
    scenes = write_scenes(studies, max(2, plan.volumes))
    (thin,) = write_scenes(studies, 1, THIN_SHAPE, "thin")
    stages: dict[str, Callable[[], list[Row]]] = {}
    for number, model in enumerate(plan.models):
        launch = ours.launch(folder / model, studies, model, plan.threads)
        stages[f"visit {model}"] = partial(_visited_and_restarted, launch, scenes, thin, plan.repeats)
        if not number:
            stages["visit the stock server"] = partial(_stock_rows, plan, studies, scenes, thin)
            if plan.crowd_seconds:
                stages["readers"] = partial(_readers, launch, scenes, plan.crowd_seconds, say)
    return stages


def _visited_and_restarted(launch: Launch, scenes: Sequence[Scene], thin: Scene, repeats: int) -> list[Row]:
    return _visited(launch, scenes, thin, repeats) + _restarted(launch, scenes)


def _outcome(rows: Sequence[Row]) -> Outcome:
    compared = [*rows, *ratios(rows)]
    page = Page("Latency of servers")
    page.table("Phases", [{column: row.get(column, "") for column in COLUMNS} for row in compared], COLUMNS)
    for row in rows:
        if row["phase"] == LEFT_OUT:
            page.text(f"Left out: {row['reason']}.")
    return Outcome(compared, page)


def ratios(rows: Sequence[Row]) -> list[Row]:
    """How many times less than the stock server, and how many times the floor of our own."""
    found = {(row["server"], row["model"], row["phase"], row["clients"]): row for row in rows if "median_ms" in row}
    stock_rows = [row for key, row in found.items() if key[0] == "stock"]
    made: list[Row] = []
    for model in dict.fromkeys(row["model"] for row in rows if row["server"] == OURS):
        for theirs in stock_rows:
            here = found.get((OURS, model, theirs["phase"], theirs["clients"]))
            if here is not None:
                made.append(_ratio(model, f"stock/{theirs['phase']}", theirs, here))
        alone = {
            phase: found[OURS, model, phase, 1]["median_ms"]
            for phase in ("next_click", "decode", "round_trip")
            if (OURS, model, phase, 1) in found
        }
        if len(alone) == 3:
            click = found[OURS, model, "next_click", 1]
            made.append(_ratio(model, "next_click/floor", click, {"median_ms": alone["decode"] + alone["round_trip"]}))
    return made


def _ratio(model: str, phase: str, above: Row, below: Row) -> Row:
    """Wall time over wall time, and computing over computing where both are known."""
    # Most of the time nothing stands in the way of `/info/`: what counts is when something does.
    figure = "p95_ms" if phase.endswith("info_during_click") else "median_ms"
    times = round(above[figure] / below[figure], 2)
    row: Row = {"server": "ratio", "model": model, "phase": phase, "clients": above["clients"], "times": times}
    if above.get("cpu_ms") and below.get("cpu_ms"):
        row["cpu_times"] = round(above["cpu_ms"] / below["cpu_ms"], 2)
    return row


def _visited(launch: Launch, scenes: Sequence[Scene], thin: Scene, repeats: int) -> list[Row]:
    with Running(launch) as server:
        return Visit(server, scenes, thin, repeats).run(CROWDS if launch.name == OURS else STOCK_CROWDS)


def _restarted(launch: Launch, scenes: Sequence[Scene]) -> list[Row]:
    """The same server again: its disk remembers every slice."""
    with Running(launch) as server:
        visit = Visit(server, scenes, scenes[0], 1)
        visit.restarted()
        return visit.rows


def _readers(launch: Launch, scenes: Sequence[Scene], seconds: float, say: Callable[[str], None]) -> list[Row]:
    """Scripted readers, and one of them beside a training."""
    with Running(launch) as server:
        rows = readers.measure(server.port, scenes, READERS, seconds)
        try:
            with training_beside.training(launch.folder, say):
                rows.append(readers.measure_one(server.port, scenes, seconds, "training"))
        except ServerError as error:
            rows.append({"server": OURS, "phase": LEFT_OUT, "clients": 1, "reason": str(error)})
        return [{**row, "model": launch.model} for row in rows]


def _stock_rows(plan: ServerPlan, studies: Path, scenes: Sequence[Scene], thin: Scene) -> list[Row]:
    """The stock server's rows; without it, a row that says so."""
    if plan.stock is None:
        reason = "the stock server was not asked for (--stock FOLDER)"
    else:
        try:
            return _visited(stock.launch(plan.stock.resolve(), studies, plan.threads), scenes, thin, STOCK_REPEATS)
        except ServerError as error:
            reason = str(error)
    return [{"server": "stock", "model": stock.MODEL, "phase": LEFT_OUT, "clients": 0, "reason": reason}]
