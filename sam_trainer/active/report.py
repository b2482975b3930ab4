"""`samlabel loop report`: benefit of active learning, of training, and a forecast from the learning curve.

Three sources, none of them a simulation: the measured worth of the active arm, the ledger (clicks, seconds and edits
of what readers accepted), and the verdicts on adapters.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from sam_infer.adapters.store import AdapterStore
from sam_infer.errors import AdapterError
from sam_infer.home import default_home
from sam_infer.uncertainty.calibration import Calibration
from sam_infer.weights.available import SHOWN_DIGITS
from sam_trainer.active.benefit import Benefit
from sam_trainer.active.served import ACTIVE, CONTROL, Served, ServedCases, loop_folder
from sam_trainer.judging.calibrate import calibrations
from sam_trainer.labels.agreement import agreement_rows, by_label
from sam_trainer.labels.ledger import ADJUDICATED, STANDING, Ledger, Record
from sam_trainer.labels.round import TRAIN
from sam_trainer.measures.power_law import LearningCurve, fitted
from sam_trainer.reports.page import Page
from sam_trainer.reports.table import Row
from sam_trainer.studies import Studies

GOAL = 0.90

# What the ledger knows about the work on a label, and what it is called here.
WORK = {"clicks": "clicks", "seconds": "minutes", "edit_distance": "edit_distance"}

# Columns of the page's tables, and what people call them.
WORTH_COLUMNS = {
    "active": "chosen cases",
    "control": "drawn cases",
    "verdict": "does choosing pay",
    "clicks": "clicks saved per case",
    "ci_low": "at least",
    "ci_high": "at most",
}
WEEK_COLUMNS = {
    "week": "week",
    "cases": "cases",
    "clicks": "clicks",
    "minutes": "minutes",
    "edit_distance": "share of the proposal that was changed",
}
STRUCTURE_COLUMNS = {
    "structure": "structure",
    "adapters": "judged adapters",
    "cases": "cases that taught",
    "dice": "Dice",
    "forecast": "forecast",
}
AGREEMENT_COLUMNS = {
    "label": "structure",
    "cases": "cases with several readers",
    "dice": "Dice between readers",
    "nsd": "surfaces within 2 mm of each other",
}
READERS_COLUMNS = {
    "case": "case",
    "label": "structure",
    "first": "reader",
    "second": "other reader",
    "dice": "Dice",
    "nsd": "surfaces within 2 mm",
    "decided_by": "decided by",
}
CALIBRATION_COLUMNS = {
    "adapter": "adapter",
    "cases": "cases",
    "held_out": "held out",
    "temperature": "temperature",
    "ece_before": "error of probabilities before",
    "ece_after": "after",
    "iou_error_before": "error of scores before",
    "iou_error_after": "after",
}

Points = Mapping[str, Sequence[tuple[int, float]]]


@dataclass(frozen=True, eq=False)
class LoopReport:
    """Everything that is known about one loop."""

    worth: Benefit
    served: Sequence[Served]
    records: Sequence[Record]  # accepted labels
    points: Points  # per structure: cases that taught an adapter, its Dice
    calibrations: Mapping[str, Calibration] = field(default_factory=dict)  # per adapter, the oldest first
    agreement: Sequence[Row] = ()  # of several readers of one case

    @classmethod
    def of(cls, studies: Studies, model: str, home: Path | None = None) -> LoopReport:
        """The report on a studies folder and a model."""
        ledger = Ledger.of(studies, home)
        records = accepted(ledger.records())
        return cls(
            Benefit.read(loop_folder(studies, home or default_home())),
            ServedCases.of(studies, home).all(),
            records,
            _points(AdapterStore(model, home)),
            calibrations(model, home),
            agreement_rows(ledger),
        )

    def rows(self) -> list[Row]:
        """Flat rows: the worth, weeks, structures, calibrations, agreement of readers."""
        known = [self._worth_row(), *self.weeks(), *self.structures(), *self.calibrated()]
        return [*known, *self.between_readers(), *self.agreement]

    def calibrated(self) -> list[Row]:
        """How far every adapter's probabilities were and scores were from the truth, before and after."""
        return [
            {"table": "calibration", "adapter": adapter[:SHOWN_DIGITS], **found.row()}
            for adapter, found in self.calibrations.items()
        ]

    def weeks(self) -> list[Row]:
        """Real clicks, minutes and edits per case, by ISO week."""
        found: dict[str, list[Record]] = defaultdict(list)
        for record in self.records:
            year, week, _ = datetime.fromisoformat(record.when).isocalendar()
            found[f"{year}-W{week:02d}"].append(record)
        return [
            {"table": "weeks", "week": week, "cases": len(records), **_work(records)}
            for week, records in sorted(found.items())
        ]

    def structures(self) -> list[Row]:
        """The learning curve of every structure, with its forecast."""
        rows: list[Row] = []
        for name, points in sorted(self.points.items()):
            curve = self.curve(name)
            told = curve.sentence(GOAL) if curve else "too few adapters were judged to say"
            more = curve.more_until(GOAL) if curve else None
            rows.append(
                {
                    "table": "structures",
                    "structure": name,
                    "adapters": len(points),
                    "cases": max(n for n, _ in points),
                    "dice": round(points[-1][1], 4),
                    "more_cases": more,
                    "forecast": told,
                }
            )
        return rows

    def between_readers(self) -> list[Row]:
        """How far readers of one case agree, per structure; nothing where every case had one."""
        return list(by_label(self.agreement))

    def curve(self, structure: str) -> LearningCurve | None:
        """The fitted curve of a structure, if its points say anything."""
        points = self.points[structure]
        return fitted([n for n, _ in points], [dice for _, dice in points])

    def next_step(self, studies: str) -> str:
        """What to do next to know more."""
        if not self.records:
            return (
                f"Next: `samlabel next --studies {studies}` names a case to begin with; open it in a viewer, correct "
                "the mask and submit it."
            )
        if not self.points:
            return f"Next: `samlabel train --studies {studies}` learns from the labels, and judges what was learned."
        return f"Next: `samlabel loop measure --studies {studies}` says whether choosing cases pays."

    def page(self, studies: str = "") -> Page:
        """The same for people; `studies` is what they call them."""
        page = Page("Does the loop pay?")
        about = f"Studies {studies}, " if studies else ""
        when = f"{datetime.now().astimezone():%Y-%m-%d %H:%M}"
        page.text(f"{about}{len(self.records)} accepted labels, written on {when}.")
        page.text(self.next_step(studies or "STUDIES"))
        page.heading("What choosing cases is worth")
        page.text(self.worth.sentence)
        if self.worth.falls_back:
            page.text("So cases are drawn from those that seem to show something, until a new measurement says else.")
        page.table("Cases served", [self._worth_row()], WORTH_COLUMNS)
        weeks = self.weeks()
        page.table("Work per accepted case", weeks, WEEK_COLUMNS)
        if weeks:
            page.figure("weeks", _weekly(weeks))
        page.table("Structures", self.structures(), STRUCTURE_COLUMNS)
        if self.points:
            page.figure("curves", self._curves())
        if self.agreement:
            page.table("How far readers of one case agree", self.between_readers(), AGREEMENT_COLUMNS)
            page.table("Cases with several readers", self.agreement, READERS_COLUMNS)
        if self.calibrations:
            page.table("Calibration error of each adapter, before and after", self.calibrated(), CALIBRATION_COLUMNS)
        return page

    def facts(self) -> dict[str, Any]:
        """The measured worth as it was kept, for the head of the JSON."""
        return {"worth": asdict(self.worth), "falls_back": self.worth.falls_back}

    def _worth_row(self) -> Row:
        arms = [served.arm for served in self.served]
        return {
            "table": "worth",
            "active": arms.count(ACTIVE),
            "control": arms.count(CONTROL),
            "verdict": self.worth.verdict,
            "clicks": self.worth.clicks,
            "ci_low": self.worth.low,
            "ci_high": self.worth.high,
            "sentence": self.worth.sentence,
        }

    def _curves(self) -> Figure:
        figure = Figure(figsize=(8, 5))
        axes = figure.subplots()
        for name, points in sorted(self.points.items()):
            (line,) = axes.plot(*zip(*sorted(points), strict=True), "o", label=name)
            curve = self.curve(name)
            if curve is not None:
                xs = np.linspace(0, 2 * curve.most, 60)
                axes.plot(xs, [curve.at(x) for x in xs], color=line.get_color())
        axes.axhline(GOAL, color="0.6", linestyle=":")
        axes.set_xlabel("cases that taught")
        axes.set_ylabel("Dice on held-out cases, mean after 1, 3 and 5 clicks")
        axes.legend(fontsize=8)
        return figure


def accepted(records: Sequence[Record]) -> list[Record]:
    """Every label that was accepted, at once or released later, with the moment and the facts of its making.

    What was decided between readers is nobody's drawing and does not count as one more.
    Releasing one is nobody's work on it, so it counts in the week in which its reader saved it.
    """
    made: dict[tuple[str, int], Record] = {}
    for record in records:
        if record.event != ADJUDICATED:
            made.setdefault((record.case, record.version), record)
    good = {(record.case, record.version) for record in records if record.event in STANDING}
    return [record for which, record in made.items() if which in good]


def _work(records: Sequence[Record]) -> Row:
    found: Row = {}
    for fact, name in WORK.items():
        values = [float(record.facts[fact]) for record in records if isinstance(record.facts.get(fact), int | float)]
        scale = 60.0 if fact == "seconds" else 1.0
        found[name] = round(float(np.mean(values)) / scale, 3) if values else None
    return found


def _weekly(weeks: Sequence[Row]) -> Figure:
    figure = Figure(figsize=(9, 3))
    for axes, name in zip(figure.subplots(1, len(WORK)), WORK.values(), strict=True):
        shown = [(row["week"], row[name]) for row in weeks if row[name] is not None]
        axes.bar([week for week, _ in shown], [value for _, value in shown])
        axes.set_title(f"{name} per case", fontsize=9)
        axes.tick_params(axis="x", rotation=60, labelsize=7)
    figure.tight_layout()
    return figure


def _points(store: AdapterStore) -> Points:
    """Cases and Dice of every judged adapter, per structure, the oldest first."""
    found: dict[str, list[tuple[int, float]]] = defaultdict(list)
    for stored in store.adapters():
        try:
            verdict, provenance = store.verdict(stored.id), store.get(stored.id).provenance
        except AdapterError:
            continue
        rows = (verdict or {}).get("rows") or []
        cases = sum(case.part == TRAIN for case in provenance.cases)
        for label in sorted({str(row["label"]) for row in rows}):
            dices = [float(np.mean(row["candidate"])) for row in rows if row["label"] == label]
            found[label].append((cases, float(np.mean(dices))))
    return found
