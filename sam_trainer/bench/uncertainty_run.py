"""`samlabel bench uncertainty`: rows and a page; which cases may teach about which, correlations, calibration."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from matplotlib.figure import Figure

from sam_infer.networks.backbone import Backbone
from sam_infer.slices.embedding_cache import EmbeddingCache
from sam_infer.slices.predictor import Predictor
from sam_infer.uncertainty.measures import DEFAULT
from sam_trainer.bench import uncertainty
from sam_trainer.bench.runs import Outcome
from sam_trainer.bench.uncertainty import Findings, Question
from sam_trainer.judging.calibrate import calibrate
from sam_trainer.labels.cases import Case, read_sources, spread
from sam_trainer.labels.round import AcceptedLabel
from sam_trainer.reports.journal import Journal
from sam_trainer.reports.page import Page
from sam_trainer.reports.table import Row
from sam_trainer.synthetic.pools import CANDIDATE, GRADED, pool, write_pool


@contextmanager
def graded_questions(seed: int) -> Iterator[list[Question]]:
    """The graded pool: sixty cases, and the labelled ones that teach."""
    with tempfile.TemporaryDirectory(prefix="samlabel-graded-") as folder:
        cases = read_sources(write_pool(pool(GRADED, seed), Path(folder) / GRADED))[0].cases
        asked = [case for case in cases if f"-{CANDIDATE}-" in case.name]
        teachers = [case for case in cases if f"-{CANDIDATE}-" not in case.name]
        yield [Question(case, teachers) for case in asked]


@contextmanager
def folder_questions(folder: Path, labels: int) -> Iterator[list[Question]]:
    """Every case, taught by the others of its source that have one of its labels; at most so many labels each."""
    questions = []
    for source in read_sources(folder):
        for case in source.cases:
            kept = dict(list(case.labels.items())[:labels])
            others = [other for other in source.cases if other.name != case.name and _shares(case, other)]
            if others:
                questions.append(Question(case, others, kept))
    yield questions


@dataclass(frozen=True)
class DoubtPlan:
    """What is asked, and how closely it is looked at."""

    name: str  # of the pool, or the folder
    slices: int  # per volume
    seed: int
    limit: int | None = None  # cases per source


def run_uncertainty(
    backbone: Backbone, questions: AbstractContextManager[list[Question]], plan: DoubtPlan, journal: Journal
) -> Outcome:
    """Correlations of every measure with the true error, and the calibration of the network."""
    name, seed = plan.name, plan.seed
    with questions as asked:
        kept = _limited(asked, plan.limit)
        found = uncertainty.measure(backbone, kept, plan.slices, journal)
        calibration = journal.unit("calibration", lambda: _calibration(backbone, kept, seed))
    label = name if name == GRADED else "folders"
    rows = list(uncertainty.rows(found, label, seed))
    page = Page(f"Doubt and error: {backbone.name}")
    columns = ("pool", "unit", "method", "spearman", "ci_low", "ci_high", "n", "cases", "mean_error")
    page.table("Rank correlation with the true error of automatic labels", rows, columns)
    page.table("Calibration on held-out cases", [calibration], tuple(calibration))
    page.figure("scatter", _scatter(found))
    for sentence in found.left_out:
        page.text(f"left out: {sentence}")
    return Outcome([*rows, calibration, *({"left_out": sentence} for sentence in found.left_out)], page)


def _limited(asked: Sequence[Question], limit: int | None) -> list[Question]:
    """At most so many questions of each source, evenly spread."""
    sources = {question.case.source: [q for q in asked if q.case.source == question.case.source] for question in asked}
    return [question for some in sources.values() for question in spread(some, limit)]


def _calibration(backbone: Backbone, asked: Sequence[Question], seed: int) -> Row:
    accepted = [AcceptedLabel(replace(q.case, name=f"{q.case.source}-{q.case.name}")) for q in asked]
    found = calibrate(Predictor(backbone, EmbeddingCache(256 << 20)), accepted, seed)
    return {"measure": "calibration", "adapter": "none", **found.row()}


def _scatter(found: Findings) -> Figure:
    figure = Figure(figsize=(9, 4))
    for axes, (unit, judged) in zip(
        figure.subplots(1, 2), (("volumes", found.volumes), ("slices", found.slices)), strict=True
    ):
        told = [one for one in judged if DEFAULT in one.doubt]
        axes.plot([one.doubt[DEFAULT] for one in told], [one.error for one in told], ".", alpha=0.6)
        axes.set_title(unit)
        axes.set_xlabel(f"doubt ({DEFAULT})")
        axes.set_ylabel("1 - Dice of the automatic labels")
    figure.tight_layout()
    return figure


def _shares(case: Case, other: Case) -> bool:
    return case.modality == other.modality and bool(set(case.labels) & set(other.labels) or not case.labels)
