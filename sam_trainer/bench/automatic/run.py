"""`samlabel bench auto`: rows of all methods, paired differences with their baselines, and a page."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from sam_infer.lru_cache import LruCache
from sam_infer.models.load import BaseNetwork
from sam_infer.slices.embedding_cache import EmbeddingCache
from sam_infer.slices.predictor import Predictor
from sam_trainer.bench.automatic.fold_run import FoldRun
from sam_trainer.bench.automatic.folds import AutoPlan, Fold
from sam_trainer.bench.automatic.gallery_time import gallery_row
from sam_trainer.bench.automatic.methods import BASELINE_OF, BEST, MODE
from sam_trainer.bench.runs import Outcome
from sam_trainer.measures.paired import paired_gain
from sam_trainer.proposals.left_out import REMEMBERED
from sam_trainer.proposals.measuring import NOTHING
from sam_trainer.reports.journal import Journal
from sam_trainer.reports.page import Page
from sam_trainer.reports.table import ALL, MEAN, Observation, Row, read_observations, table

# Embeddings of the cases of a folder.
CACHE_BYTES = 1 << 30

MEASURES = ("dice", "clicks")

# Besides each mode and its baseline: does a second pass pay, and does a proposal.
TWICE = (
    ("selfprompt", "selfprompt passes=1"),
    ("selfprompt heads=trained", "selfprompt heads=trained passes=1"),
)

COLUMNS = ("method", "kind", "n", "dice", "ci_low", "ci_high", "nsd", "hd95", "clicks", "reached", "seconds")
GAINS = ("source", "method", "over", "measure", "cases", "gain", "ci_low", "ci_high")


def run_auto(
    base: BaseNetwork,
    folds: Sequence[Fold],
    plan: AutoPlan,
    journal: Journal,
    keep: Callable[[Outcome], None] = lambda _: None,
) -> Outcome:
    """Every fold that the journal does not know; `keep` gets the rows that there are after each."""
    named = {fold.key: fold for fold in folds}
    gallery = "auto: full gallery"
    journal.expect([gallery, *named])
    predictor, memo = Predictor(base.backbone(), EmbeddingCache(CACHE_BYTES)), LruCache(REMEMBERED)
    timed = journal.unit(gallery, lambda: gallery_row(predictor, plan.gallery))
    done: dict[str, Any] = {}
    for key, fold in named.items():
        known = journal.knows(key)
        done[key] = journal.unit(key, FoldRun(base, predictor, fold, plan, memo).told)
        if not known:
            keep(_outcome(base.name, [(named[one], told) for one, told in done.items()], timed, plan.seed))
    return _outcome(base.name, [(named[one], told) for one, told in done.items()], timed, plan.seed)


def _outcome(model: str, done: Sequence[tuple[Fold, Mapping[str, Any]]], timed: Row, seed: int) -> Outcome:
    seen = [one for _, told in done for one in read_observations(told["seen"])]
    beside = [row for fold, told in done for row in _beside(fold, told)]
    rows = [*table(seen, "clicks", seed), *gains(seen, seed), *verdicts(seen), *beside, timed]
    return Outcome(rows, _page(model, rows))


def _beside(fold: Fold, told: Mapping[str, Any]) -> Iterator[Row]:
    """How `best` chose, and what could not be asked."""
    where = {"source": fold.case.source, "case": fold.case.name, "teachers": len(fold.others)}
    for label, facts in told["best"].items():
        yield {**where, "label": label, "best": facts["mode"] or NOTHING, "why": facts["why"]}
    for method, sentence in told["refused"].items():
        yield {**where, "refused": method, "why": sentence}


def gains(seen: Sequence[Observation], seed: int = 0) -> Iterator[Row]:
    """Paired differences over cases, by folder and over headline folders: each mode with its baseline, and nothing."""
    pairs = [*BASELINE_OF.items(), *TWICE, *((mode, NOTHING) for mode in BASELINE_OF)]
    for source in (MEAN, *dict.fromkeys(one.source for one in seen)):
        here = [one for one in seen if one.source == source or (source == MEAN and one.headline)]
        values = _by_case(here or (list(seen) if source == MEAN else []))
        for method, over in dict.fromkeys(pairs):
            both = values[method].keys() & values[over].keys()
            for measure in MEASURES if both else ():
                after, before = ({k: values[m][k][measure] for k in both} for m in (method, over))
                found = paired_gain(after, before, seed)
                numbers = {"gain": found.mean, "ci_low": found.low, "ci_high": found.high}
                yield {
                    "source": source,
                    "method": method,
                    "over": over,
                    "measure": measure,
                    "cases": found.cases,
                    **{name: round(value, 4) for name, value in numbers.items()},
                    **_share(after, before, measure),
                }


def _share(after: Mapping[str, Sequence[float]], before: Mapping[str, Sequence[float]], measure: str) -> Row:
    """Fewer clicks as a share of those before."""
    total = sum(sum(some) / len(some) for some in before.values())
    if measure != "clicks" or not total:
        return {}
    return {"fewer": round(1 - sum(sum(some) / len(some) for some in after.values()) / total, 4)}


def verdicts(seen: Sequence[Observation]) -> Iterator[Row]:
    """A mode that leaves more clicks than its baseline on every folder is experimental."""
    values: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for one in seen:
        values[dict(one.keys)["method"]][one.source].append(one.values["clicks"])
    for mode, over in BASELINE_OF.items():
        both = [source for source in values[mode] if source in values[over]]
        worse = [s for s in both if _mean(values[mode][s]) > _mean(values[over][s])]
        if both:
            told = len(worse) == len(both)
            yield {"verdict": mode, "over": over, "folders": len(both), "worse": len(worse), "experimental": told}


def experimental(rows: Sequence[Row]) -> tuple[str, ...]:
    """The modes that are worse than their baselines on every folder, with any of their options."""
    found: dict[str, bool] = {}
    for row in (row for row in rows if "verdict" in row and row["verdict"] != BEST):
        mode = row["verdict"].split()[0]
        found[mode] = found.get(mode, True) and row["experimental"]
    return tuple(mode for mode, worse in found.items() if worse)


def _by_case(seen: Sequence[Observation]) -> dict[str, dict[str, dict[str, list[float]]]]:
    """Measures by method and case."""
    found: dict[str, dict[str, dict[str, list[float]]]] = defaultdict(lambda: defaultdict(lambda: defaultdict(list)))
    for one in seen:
        for measure in MEASURES:
            found[dict(one.keys)["method"]][f"{one.source}/{one.case}"][measure].append(one.values[measure])
    return found


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def _page(model: str, rows: Sequence[Row]) -> Page:
    page = Page(f"Automatic labels: {model}")
    means = [row for row in rows if row.get("source") == MEAN and "kind" in row]
    page.table("Mean over folders", sorted(means, key=lambda row: row["clicks"]), COLUMNS)
    own = [row for row in rows if row.get("label") == ALL and row.get("source") not in (MEAN, ALL) and "kind" in row]
    page.table("By folder", [row for row in own if row["kind"] == MODE], ("source", *COLUMNS))
    page.table("Paired differences, 95 % intervals over cases", [row for row in rows if "gain" in row], GAINS)
    page.table("How best chose", [row for row in rows if BEST in row], ("source", "case", "label", BEST, "why"))
    return page
