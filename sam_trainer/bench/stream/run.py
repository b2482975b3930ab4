"""`samlabel bench stream`: rows of all streams and conditions, paired differences, and a page."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from sam_infer.networks.backbone import Backbone
from sam_infer.slices.embedding_cache import EmbeddingCache
from sam_infer.slices.predictor import Predictor
from sam_trainer.bench.runs import Outcome
from sam_trainer.bench.stream.occasions import BIASED, Stream
from sam_trainer.bench.stream.one_stream import (
    AUXILIARY,
    CONDITIONS,
    FUSED,
    NETWORK,
    Condition,
    ObjectEffort,
    OneStream,
)
from sam_trainer.bench.stream.timing import timed
from sam_trainer.measures.paired import drawn_again
from sam_trainer.online.fusion import LAST
from sam_trainer.reports.journal import Journal
from sam_trainer.reports.page import Page
from sam_trainer.reports.table import Row

CACHE_BYTES = 1 << 30

WHOLE, SECOND = "whole", "second half"

TIMING = "timing"

RESAMPLES = 2000

COLUMNS = ("source", "feedback", "part", "cases", "n", "alone", "fused", "auxiliary", "gain", "ci_low", "ci_high")
CLICKS = (
    "source",
    "feedback",
    "part",
    "clicks_alone",
    "clicks_fused",
    "fewer",
    "fewer_low",
    "fewer_high",
    "first_same",
)

Objects = Sequence[Mapping[str, Any]]


def run_stream(
    network: Backbone,
    streams: Sequence[Stream],
    journal: Journal,
    keep: Callable[[Outcome], None] = lambda _: None,
    seed: int = 0,
) -> Outcome:
    """Every stream under every condition that the journal does not know; `keep` gets what there is after each."""
    named = {f"{one.source}: {condition.name}": (one, condition) for one in streams for condition in CONDITIONS}
    journal.expect([*named, TIMING])
    efforts: dict[str, dict[str, ObjectEffort]] = {}
    done: dict[str, Objects] = {}
    for key, (stream, condition) in named.items():
        fresh = not journal.knows(key)
        asking = Predictor(network, EmbeddingCache(CACHE_BYTES))
        one = OneStream(asking, stream, condition, seed, efforts.setdefault(stream.source, {}))
        done[key] = journal.unit(key, one.rows)
        if fresh:
            keep(_outcome(network, named, done, []))
    return _outcome(network, named, done, journal.unit(TIMING, lambda: timed(Predictor(network, EmbeddingCache()))))


def _outcome(
    network: Backbone,
    named: Mapping[str, tuple[Stream, Condition]],
    done: Mapping[str, Objects],
    timing: Sequence[Row],
) -> Outcome:
    rows = [row for key, objects in done.items() for row in _rows(*named[key], objects)]
    page = Page(f"Learning as it goes: {network.name}")
    page.text("Dice of the first answer to a click: the network alone, with what was learned, what was learned alone.")
    page.table("Second half of each stream", [row for row in rows if row["part"] == SECOND], COLUMNS)
    page.table("Corrective clicks", [row for row in rows if row["part"] == SECOND], CLICKS)
    page.table("Whole streams", [row for row in rows if row["part"] == WHOLE], COLUMNS)
    page.table("Time", timing, ("timing", "median_seconds", "most_seconds", "median_ms", "without_ms", "difference_ms"))
    return Outcome([*rows, *timing], page)


def _rows(stream: Stream, condition: Condition, objects: Objects) -> Iterator[Row]:
    """A stream as a whole, and its second half: by cases, as a reader meets them."""
    cases = list(dict.fromkeys(one["case"] for one in objects))
    late = set(cases[len(cases) // 2 :])
    for part, some in ((WHOLE, objects), (SECOND, [one for one in objects if one["case"] in late])):
        if some:
            yield _row(stream, condition, part, some)


def _row(stream: Stream, condition: Condition, part: str, objects: Objects) -> Row:
    mean = {name: float(np.mean([one["dice"][name] for one in objects])) for name in (NETWORK, FUSED, AUXILIARY)}
    by_case = list(_by_case(objects).values())
    gains = np.array([np.mean([o["dice"][FUSED] - o["dice"][NETWORK] for o in case]) for case in by_case])
    low, high = np.percentile(drawn_again(gains, RESAMPLES), (2.5, 97.5))
    numbers = {**mean, "gain": float(gains.mean()), "ci_low": float(low), "ci_high": float(high), **_clicks(by_case)}
    first = [one for one in objects if one["number"] < LAST]
    return {
        "source": stream.source,
        "headline": stream.headline and stream.source != BIASED,
        "feedback": condition.name,
        "part": part,
        "cases": len(by_case),
        "n": len(objects),
        "first_same": all(one["same"] for one in first),
        **{name: round(value, 4) for name, value in numbers.items()},
    }


def _clicks(by_case: Sequence[Objects]) -> dict[str, float]:
    """Corrections for each object, and by what share they became fewer."""
    sums = np.array([[sum(o["clicks"][name] for o in case) for name in (NETWORK, FUSED)] for case in by_case], float)
    count = sum(len(case) for case in by_case)
    picks = np.random.default_rng(0).integers(0, len(sums), (RESAMPLES, len(sums)))
    drawn = sums[picks].sum(axis=1)
    shares = 1 - drawn[:, 1] / np.maximum(drawn[:, 0], 1e-9)
    shares = np.where(drawn[:, 0] > 0, shares, 0.0)
    alone, fused = sums.sum(axis=0)
    low, high = np.percentile(shares, (2.5, 97.5))
    return {
        "clicks_alone": alone / count,
        "clicks_fused": fused / count,
        "fewer": 1 - fused / alone if alone else 0.0,
        "fewer_low": float(low),
        "fewer_high": float(high),
    }


def _by_case(objects: Objects) -> dict[str, list[Mapping[str, Any]]]:
    found: dict[str, list[Mapping[str, Any]]] = {}
    for one in objects:
        found.setdefault(one["case"], []).append(one)
    return found
