"""`samlabel bench language`: the golden table, boxes of labels that words name, and how far words alone go."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sam_infer.lru_cache import LruCache
from sam_infer.models.load import BaseNetwork
from sam_infer.slices.embedding_cache import EmbeddingCache
from sam_infer.slices.predictor import Predictor
from sam_trainer.bench.automatic.folds import AutoPlan, Fold
from sam_trainer.bench.language.golden import golden_rows
from sam_trainer.bench.language.named_labels import NamedLabels
from sam_trainer.bench.runs import Outcome
from sam_trainer.proposals.left_out import REMEMBERED
from sam_trainer.reports.journal import Journal
from sam_trainer.reports.page import Page
from sam_trainer.reports.table import ALL, MEAN, Row, read_observations, table

# Embeddings of the cases of a folder.
CACHE_BYTES = 1 << 30

COLUMNS = ("looking", "n", "iou", "iou_3d", "dice", "ci_low", "ci_high", "best", "steps_to_90", "reached")


def run_language(
    base: BaseNetwork,
    folds: Sequence[Fold],
    plan: AutoPlan,
    journal: Journal,
    keep: Callable[[Outcome], None] = lambda _: None,
) -> Outcome:
    """Every fold that the journal does not know; `keep` gets the rows that there are after each."""
    named = {f"language: {fold.case.source}/{fold.case.name}": fold for fold in folds}
    journal.expect(list(named))
    predictor, memo = Predictor(base.backbone(), EmbeddingCache(CACHE_BYTES)), LruCache(REMEMBERED)
    done: dict[str, Any] = {}
    for key, fold in named.items():
        known = journal.knows(key)
        done[key] = journal.unit(key, NamedLabels(predictor, fold, plan, memo).told)
        if not known:
            keep(_outcome(base.name, done, plan.seed))
    return _outcome(base.name, done, plan.seed)


def _outcome(model: str, done: Mapping[str, Mapping[str, Any]], seed: int) -> Outcome:
    seen = [one for told in done.values() for one in read_observations(told["seen"])]
    utterances = list(golden_rows())
    talks = [
        {"case": key.removeprefix("language: "), "asked": asked, "said": "; ".join(words)}
        for key, told in done.items()
        for asked, words in told["said"].items()
    ]
    rows = [*utterances, *table(seen, "dice", seed), *talks]
    return Outcome(rows, _page(model, rows))


def _page(model: str, rows: Sequence[Row]) -> Page:
    page = Page(f"Commands in words: {model}")
    wrong = [row for row in rows if row.get("ok") is False]
    understood = sum(1 for row in rows if row.get("ok"))
    page.text(f"{understood} of {understood + len(wrong)} utterances are read as the golden table says.")
    page.table("Utterances that are read otherwise", wrong, ("utterance", "expected", "got"))
    measured = [row for row in rows if "iou" in row]
    page.table("Mean over folders", [row for row in measured if row["source"] == MEAN], COLUMNS)
    folders = [row for row in measured if row["label"] == ALL and row["source"] not in (MEAN, ALL)]
    page.table("By folder", folders, ("source", *COLUMNS))
    labels = [row for row in measured if row["label"] != ALL]
    page.table("By label", labels, ("source", "label", *COLUMNS))
    return page
