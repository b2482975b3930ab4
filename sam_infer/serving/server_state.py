"""State of a running server: volume cache, embedding cache, current predictor, work queue, prefetch.

The only stateful object of the project. It can be thrown away at any time without changing an answer.

Threading model. Any number of threads call `predict`. Reading a volume happens in the caller's thread, once per file
however many wait for it. Everything that computes goes through one `WorkQueue`, clicks first, with as many workers as
the device answers fastest with; equal clicks at the same moment are computed once.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Protocol

import torch

from sam_infer.ask.answer import Answer, answer
from sam_infer.ask.question import SliceQuestion
from sam_infer.imaging.arriving import ArrivingVolume, whole_of
from sam_infer.imaging.cine import Cine
from sam_infer.imaging.volume import Volume
from sam_infer.imaging.window import depends_on_all
from sam_infer.lru_cache import LruCache
from sam_infer.serving.in_flight import InFlight
from sam_infer.serving.prefetch import Prefetch, encodes_at_once
from sam_infer.serving.volume_cache import VolumeCache
from sam_infer.serving.work_queue import WorkQueue
from sam_infer.slices.predictor import Prediction, Predictor

GPU_WORKERS = 8


def _stays() -> bool:
    return False


class Besides(Protocol):
    """Models besides the main one; see `sam_infer/models/by_label.py`."""

    def predictor(self, labels: Sequence[str], modality: str) -> Predictor | None:
        """What answers about labels; None: the main model."""
        ...

    def named(self, model: str) -> Predictor:
        """A model's predictor."""
        ...

    def earlier(self, serves: Predictor) -> Sequence[Predictor]:
        """Those of a model's earlier adapters."""
        ...

    def load_ahead(self) -> None:
        """Have those that are needed in memory."""
        ...


@dataclass(frozen=True, eq=False)
class Click:
    """One question about a slice of an image that is read already, and the network that is asked."""

    volume: Volume
    question: SliceQuestion
    predictor: Predictor

    def with_enough(self) -> Click:
        """The same once all that its answer looks at has been read: whoever computes must not wait for a disk."""
        if not isinstance(self.volume, ArrivingVolume):
            return self
        across_k, wish = self.question.prompts.axis == 2, self.question.options.window
        # what an earlier server stored of a slow network, under the digest, is worth the wait
        if not across_k or depends_on_all(self.volume, wish) or not encodes_at_once(self.predictor):
            return replace(self, volume=whole_of(self.volume))
        for one in self.volume.view(2, self.question.index).neighbours(self.predictor.backbone.depth):
            self.volume.pixels(one)
        return self

    @property
    def key(self) -> Hashable | None:
        """What makes two clicks the same; one with a mask is like no other, since comparing masks costs a click."""
        prompts = self.question.prompts
        if prompts.mask is not None or prompts.painted is not None:
            return None
        box = (tuple(prompts.box.low.tolist()), tuple(prompts.box.high.tolist())) if prompts.box is not None else None
        return (
            id(self.predictor.backbone),
            self.predictor.note,
            self.predictor.refiner and self.predictor.refiner.key,
            self.volume.cache_name,
            prompts.axis,
            self.question.index,
            prompts.points.tobytes(),
            prompts.labels.tobytes(),
            prompts.turns.tobytes(),
            box,
            self.question.options,
        )


@dataclass(frozen=True, eq=False)
class Asker:
    """Who waits for an answer: whose turn it takes, and whether anybody is still there."""

    reader: str = ""
    gone: Callable[[], bool] = _stays  # called off when the client has disconnected


class Serving:
    """Volumes in memory, one queue, one predictor that may be replaced while running.

    `follow` is asked before every request which predictor answers it, and is handed the one that answered last;
    `earlier` finds those of earlier adapters, to compare with. `besides` are further models, for some labels.
    `prefetch` lets the slices around a click be encoded ahead.
    """

    def __init__(
        self,
        predictor: Predictor,
        volume_bytes: int = 2 << 30,
        follow: Callable[[Predictor], Predictor] | None = None,
        earlier: Callable[[Predictor], Sequence[Predictor]] = lambda _: (),
        prefetch: bool = False,
        besides: Besides | None = None,
    ) -> None:
        # On a GPU clicks of several readers share passes of the encoder; on a processor `thread_count` may add some.
        self.queue = WorkQueue(GPU_WORKERS if torch.cuda.is_available() else 1)
        self.in_flight = InFlight(self.queue)
        self.prefetch = Prefetch(self.queue) if prefetch else None
        self.volumes = VolumeCache(volume_bytes)
        self.memo = LruCache()  # of the automatic modes
        self._predictor = predictor
        self._follow = follow
        self._earlier = earlier
        self._besides = besides

    @property
    def predictor(self) -> Predictor:
        """The predictor that answers the next request; those under way finish with the one they began with."""
        if self._follow is not None:
            self._predictor = self._follow(self._predictor)
        return self._predictor

    def predictor_for(self, labels: Sequence[str], modality: str) -> Predictor:
        """The predictor that answers about labels: another model's where one does that better."""
        chosen = self._besides.predictor(labels, modality) if self._besides is not None else None
        return chosen or self.predictor

    def model(self, name: str) -> Predictor:
        """The predictor of one of the models that serve."""
        main = self.predictor
        return main if self._besides is None or name == main.backbone.name else self._besides.named(name)

    def load_ahead(self) -> None:
        """Have further models in memory before their first click waits for them."""
        if self._besides is not None:
            self._besides.load_ahead()

    def earlier(self, serves: Predictor) -> Sequence[Predictor]:
        """Predictors of earlier adapters of the model that serves, to compare with."""
        if self._besides is None or serves.backbone.name == self.predictor.backbone.name:
            return self._earlier(serves)
        return self._besides.earlier(serves)

    def volume(self, path: Path, phase: int | None = None, begun: bool = False) -> Volume:
        """The image at `path`, read once while it does not change; of one with phases the one that is named.

        With `begun` as soon as a slice of it can be seen.
        """
        return (self.volumes.begun(path) if begun else self.cine(path)).at(phase)

    def cine(self, path: Path) -> Cine:
        """The same with all of its phases."""
        return self.volumes.get(path)

    def predict(self, click: Click, asker: Asker | None = None) -> Answer[Prediction]:
        """One click's answer; the seconds tell waiting apart from computing.

        Readers take turns; the click is called off when its client has gone before its turn came. What was found on an
        image that is still being read is told once the rest of its file has proved to be sound.
        """
        asker = asker or Asker()
        started = time.perf_counter()
        click = click.with_enough()
        if isinstance(click.volume, ArrivingVolume):
            found, follow = self._while_reading(click, click.volume, asker)
        else:
            found, follow = self._asked(click, asker), partial(self._followed, click, asker)
        prediction = found.found
        waited = max(0.0, time.perf_counter() - started - sum(prediction.seconds.values()))
        follow(prediction)
        return replace(found, found=replace(prediction, seconds={"wait": waited, **prediction.seconds}))

    def _while_reading(
        self, click: Click, volume: ArrivingVolume, asker: Asker
    ) -> tuple[Answer[Prediction], Callable[[Prediction], object]]:
        """An answer from the first slices, once the others have proved to be there; nobody waits for their digest."""
        whole = None
        try:
            found, whole = self._asked(click, asker), volume.whole()
        finally:
            seen = whole is not None and volume.shares_memory_with(whole)
            if not seen:
                click.predictor.rename(volume.cache_name, None)
        again = replace(click, volume=whole)
        if not seen:
            return self._asked(again, asker), partial(self._followed, again, asker)

        def later(prediction: Prediction) -> None:
            click.predictor.rename(volume.cache_name, whole.digest)
            self._followed(again, asker, prediction)

        return found, lambda prediction: volume.reading.hashed.add_done_callback(lambda _: later(prediction))

    def _followed(self, click: Click, asker: Asker, prediction: Prediction) -> None:
        if self.prefetch is not None:
            self.prefetch.follow(asker.reader, click.predictor, click.volume, prediction)

    def _asked(self, click: Click, asker: Asker) -> Answer[Prediction]:
        def work() -> Answer[Prediction]:
            return answer(click.question, click.predictor, click.volume)

        return self.in_flight.ask(click.key, work, asker.reader, asker.gone)

    def open_ahead(self, path: Path) -> None:
        """A reader was sent to this case: have it in memory when the first click comes."""
        if self.prefetch is not None:
            self.prefetch.open(lambda: self.volume(path))

    def close(self) -> None:
        """End the worker threads."""
        self.queue.close()
