"""One function per bench: measure, make the rows, lay out the page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sam_trainer.bench import clicks, figures, grid_prompts, latency, prompts, robustness
from sam_trainer.bench.exam import Exam
from sam_trainer.bench.gallery import Gallery
from sam_trainer.reports.page import Page
from sam_trainer.reports.table import ALL, MEAN, Row, table

GREEN_RED = "Truth is outlined in green, the answer in red; Dice above each picture."


@dataclass(frozen=True)
class Outcome:
    """Rows for the JSON file and a page for people."""

    rows: list[Row]
    page: Page


def run_prompts(exam: Exam, grid: int) -> Outcome:
    """S1 to S6 and the baselines; `grid` points per side for S1, 0 leaves it out."""
    gallery = Gallery()
    seen = prompts.measure(exam, gallery)
    if grid:
        seen = grid_prompts.measure(exam, grid) + seen
    rows = table(seen, seed=exam.seed)
    page = Page(f"Prompts: {exam.backbone.name}")
    columns = ("strategy", "rule", "n", "dice", "ci_low", "ci_high", "jaccard", "hd95", "nsd", "iou_error")
    page.table("Mean over sources", _means(rows), columns)
    page.figure("by-source", figures.by_source(rows, ("S2", "S4", "S5", "ellipse", "grabcut", "region_growing_s2")))
    page.table("By modality, deployable", _modalities(rows), ("modality", "strategy", "n", "dice", "ci_low", "ci_high"))
    for strategy in prompts.PICTURED:
        page.heading(f"Best, median and worst of every source: {strategy}")
        page.text(GREEN_RED)
        page.figure(f"wall-{strategy.lower()}", figures.wall(gallery, strategy))
    return Outcome(rows, page)


def run_clicks(exam: Exam, with_baselines: bool = True, with_gestures: bool = False) -> Outcome:
    """Dice after 1 to 10 clicks; if wanted, also after as many strokes and lassos."""
    gallery = Gallery()
    rows = table(clicks.measure(exam, gallery, with_baselines, with_gestures), seed=exam.seed)
    page = Page(f"Clicks: {exam.backbone.name}")
    columns = ("method", "clicks", "n", "dice", "ci_low", "ci_high", "noc85", "noc90", "failures", "encodes")
    page.table("Mean over sources", _means(rows), columns)
    page.figure("curve", figures.over_clicks(rows, exam.backbone.name))
    page.heading("Best, median and worst of every source after ten clicks")
    page.text(GREEN_RED)
    page.figure("wall", figures.wall(gallery, "clicks"))
    return Outcome(rows, page)


def run_robustness(exam: Exam, repeats: int) -> Outcome:
    """Dice under disturbed prompts; rows per label only for the edges of boxes, as SAM.MD prints them."""
    rows = [row for row in table(robustness.measure(exam, repeats), seed=exam.seed) if _worth_keeping(row)]
    page = Page(f"Robustness: {exam.backbone.name}")
    columns = ("mode", "level", "rule", "n", "dice", "ci_low", "ci_high", "cost")
    page.table("Mean over sources", _means(rows), columns)
    page.figure("levels", figures.over_levels(rows))
    levels = list(dict.fromkeys(row["level"] for row in rows if row["mode"] == "edges"))
    page.table("Dice by label and level of jittered edges", _matrix(rows), ("source", "label", *levels))
    return Outcome(rows, page)


def run_latency(exam: Exam, model: str, repeats: int) -> Outcome:
    """Times per phase, and what a fresh process needs."""
    exam.journal.expect(["fresh processes", "phases"])
    rows = exam.journal.unit("fresh processes", lambda: latency.fresh_process(model))
    rows += exam.journal.unit("phases", lambda: latency.measure(exam.backbone, exam.subjects, repeats))
    page = Page(f"Latency: {exam.backbone.name}")
    page.table("Phases", rows, ("server", "phase", "clients", "n", "median_ms", "p95_ms", "bytes", "peak_bytes"))
    return Outcome(rows, page)


def _worth_keeping(row: Row) -> bool:
    per_label = row["label"] != ALL
    return not per_label or (row["mode"] == "edges" and row["rule"] == prompts.DEPLOYABLE)


def _means(rows: Sequence[Row]) -> list[Row]:
    return [row for row in rows if row["source"] == MEAN]


def _modalities(rows: Sequence[Row]) -> list[Row]:
    shown = [row for row in rows if row["source"] == ALL and row["rule"] == prompts.DEPLOYABLE]
    return sorted(shown, key=lambda row: row["modality"])


def _matrix(rows: Sequence[Row]) -> list[Row]:
    """One row per label with a column per level."""
    lines: dict[tuple[str, str], Row] = {}
    for row in rows:
        if row["label"] != ALL:
            line = lines.setdefault((row["source"], row["label"]), {"source": row["source"], "label": row["label"]})
            line[row["level"]] = row["dice"]
    return list(lines.values())
