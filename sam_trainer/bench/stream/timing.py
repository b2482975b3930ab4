"""What learning costs: one update with a full queue, and the click that comes in the midst of it.

Clicks with an update under way and clicks without one are timed in turn, in one run. As on a server the update waits
between two pieces of its work while somebody clicks.
"""

from __future__ import annotations

import statistics
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from sam_infer.imaging.volume import Volume
from sam_infer.lru_cache import LruCache
from sam_infer.serving.threads import compute_on_one_core
from sam_infer.slices.embedding_cache import EmbeddingCache
from sam_infer.slices.predictor import Options, Predictor
from sam_trainer.bench.stream.occasions import LENGTH, biased
from sam_trainer.measures.paired import difference
from sam_trainer.online.learner import QUEUE, Correction, Learner
from sam_trainer.online.refining import Answering, Refining
from sam_trainer.online.teaching import TaughtObject, first_click, sample_of
from sam_trainer.reports.table import Row

# Clicks of each kind, and updates.
CLICKS, UPDATES = 40, 5

# After an update began a click comes so much later, when it is in the midst of its work.
LATER_SECONDS = 0.02


@dataclass(frozen=True, eq=False)
class ClickScene:
    """A full queue, and an object to click on."""

    predictor: Predictor
    learner: Learner
    samples: Sequence[Correction]
    volume: Volume
    one: TaughtObject

    @classmethod
    def of(cls, predictor: Predictor) -> ClickScene:
        """The procedural stream, learned until the queue is full, without a step."""
        samples, stream = [], biased(LENGTH)
        for number, occasion in enumerate(stream.occasions):
            volume, (one,) = occasion.open()
            seen = predictor.predict(volume, first_click(one.truth, one.view), 0, Options(label=one.label))
            sample = sample_of(seen, one.truth, volume, occasion.name, number)
            samples += [sample] if sample is not None else []
        learner = Learner(samples=samples[-QUEUE:])
        return cls(predictor, learner, samples, volume, one)

    def click(self, predictor: Predictor) -> float:
        """Milliseconds of a click on a slice that is encoded already, and was not clicked on before."""
        prompts = first_click(self.one.truth, self.one.view)
        predictor = replace(predictor, replayed=LruCache())
        began = time.perf_counter()
        predictor.predict(self.volume, prompts, 0, Options(label=self.one.label))
        return 1000 * (time.perf_counter() - began)


def timed(predictor: Predictor) -> list[Row]:
    """Rows of updates and clicks."""
    scene = ClickScene.of(replace(predictor, cache=EmbeddingCache()))
    return [_updates(scene), _clicks(scene), _fused(scene)]


def _updates(scene: ClickScene) -> Row:
    seconds = []
    for sample in scene.samples[:UPDATES]:
        began = time.perf_counter()
        scene.learner.accept([sample])
        seconds.append(time.perf_counter() - began)
    parameters = sum(value.numel() for value in scene.learner.network.parameters())
    told = {"updates": UPDATES, "median_seconds": statistics.median(seconds), "most_seconds": max(seconds)}
    return {"timing": "update", "parameters": parameters, "queue": QUEUE, **_rounded(told)}


def _clicks(scene: ClickScene) -> Row:
    """Differences of a click in the midst of an update and the click after it without one."""
    clicking, found = threading.Event(), []

    def pause() -> None:
        """What `Activity.wait` does."""
        while clicking.is_set():
            time.sleep(0.005)

    def update(number: int) -> None:
        """One in the background."""
        compute_on_one_core()
        scene.learner.accept([scene.samples[number % len(scene.samples)]], pause)

    for number in range(CLICKS):
        thread = threading.Thread(target=update, args=(number,))
        thread.start()
        time.sleep(LATER_SECONDS)
        clicking.set()
        beside = scene.click(scene.predictor)
        clicking.clear()
        thread.join()
        found.append((beside, scene.click(scene.predictor)))
    return _paired("click beside an update", found)


def _fused(scene: ClickScene) -> Row:
    """What laying over costs a click."""
    now = replace(Answering.of(scene.learner), share=0.5)
    learned = replace(scene.predictor, refiner=Refining({scene.one.label: now}))
    return _paired("fused click", [(scene.click(learned), scene.click(scene.predictor)) for _ in range(CLICKS)])


def _paired(name: str, pairs: Sequence[tuple[float, float]]) -> Row:
    found = difference([one - other for one, other in pairs])
    median = {
        "median_ms": float(np.median([a for a, _ in pairs])),
        "without_ms": float(np.median([b for _, b in pairs])),
    }
    gap = {"difference_ms": found.mean, "ci_low": found.low, "ci_high": found.high}
    return {"timing": name, "clicks": len(pairs), **_rounded({**median, **gap})}


def _rounded(values: dict[str, float]) -> Row:
    return {name: round(value, 4) for name, value in values.items()}
