"""Learns from accepted labels while nobody clicks, and lays what was learned over the answers to prompts.

The ledger is the only source: drafts never stand in it, labels in quarantine do not count, and a label that is
withdrawn or replaced leaves every queue. What the ledger says is heard line by line, and how far, is written down
after the learners are: a server that was killed hears the rest when it is back, nothing twice. Another network begins
with nothing learned, since its mistakes are others.

Threading model. One thread hears and learns, in pieces of a fraction of a second that wait while readers click; the
network is asked in the queue of the server, after everybody else. Requests read learners as they are.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any
from urllib.parse import quote

import structlog

from sam_infer.audit.line import LEARNER_RESET, LEARNER_SWITCHED, Deed
from sam_infer.audit.trail import Trail
from sam_infer.errors import SamError
from sam_infer.home import default_home
from sam_infer.job import CancelledError
from sam_infer.serving.activity import Activity
from sam_infer.serving.server_state import Serving
from sam_infer.serving.threads import compute_on_one_core
from sam_infer.serving.work_queue import Priority
from sam_infer.slices.predictor import Prediction, Predictor
from sam_trainer.labels.cases import Case, case_tags, labelled_image
from sam_trainer.labels.ledger import STANDING, Ledger, Record
from sam_trainer.online.learner import Correction
from sam_trainer.online.shelf import Shelf
from sam_trainer.online.teaching import objects_of, samples_of
from sam_trainer.proposals.choice import network_of
from sam_trainer.studies import Studies
from samlabel.online.heard import Heard
from samlabel.online.wish import AUX

log = structlog.get_logger(__name__)

TEAM, READER = "team", "reader"

# How often it looks whether the ledger has grown.
LOOK_SECONDS = 2.0

# A reader who clicked so recently is waited for, but nothing that was accepted waits longer than this for its turn.
QUIET_SECONDS, PATIENCE_SECONDS = 1.5, 10.0


@dataclass(frozen=True)
class Choice:
    """The settings `online` and `online_for`."""

    way: str
    scope: str = TEAM

    @property
    def is_on(self) -> bool:
        """Whether this server learns as it goes."""
        return self.way == AUX


class OnlineLearning:
    """The learners of some studies; `case_of` finds the image of an accepted label, and what its values are called."""

    def __init__(
        self, serving: Callable[[], Serving], studies: Studies, case_of: Callable[[str], Case], choice: Choice
    ) -> None:
        self._serving, self._case_of, self.choice = serving, case_of, choice
        self._ledger = Ledger.of(studies)
        self._folder = default_home() / "online" / studies.key
        self._shelves: dict[str, Shelf] = {}
        self._heard: Heard | None = None
        self._began = 0
        self._stop, self._ring = threading.Event(), threading.Event()
        self._hearing = threading.RLock()
        self._thread = threading.Thread(target=self._work, name="online", daemon=True)

    def start(self) -> None:
        """Begin; labels of before are not learned the first time."""
        self._began = len(self._ledger.records())
        self._thread.start()

    def wake(self) -> None:
        """A label was saved: look at once."""
        self._ring.set()

    def stop(self) -> None:
        """End after the present piece; what was not finished is heard again at the next start."""
        self._stop.set()
        self.wake()
        if self._thread.is_alive():
            self._thread.join()

    def refined(self, predictor: Predictor, labels: Sequence[str], reader: str) -> Predictor:
        """The predictor with what was learned about some labels; the same one where that is nothing."""
        heard = self._heard or Heard.read(self._folder)
        if heard is None or heard.network != network_of(predictor):
            return predictor
        refiner = self._shelf(reader).refiner(labels)
        return predictor if refiner is None else replace(predictor, refiner=refiner)

    def facts(self, reader: str) -> dict[str, Any]:
        """What a reader's learners know."""
        shelf = self._shelf(reader)
        learned = [
            {"label": one.label, "weight": one.weight, "taught": one.taught, "queue": one.queue, "cases": one.cases}
            for one in shelf.standings()
        ]
        return {"online": self.choice.way, "for": self.choice.scope, "on": shelf.is_on, "labels": learned}

    def reset(self, reader: str) -> None:
        """Forget what was learned; labels up to now are not learned again."""
        Trail.of().add(Deed(LEARNER_RESET, self._name(reader)))
        with self._hearing:
            self._shelf(reader).reset()
            if self._heard is not None:
                self._write(replace(self._heard, records=len(self._ledger.records())))

    def switch(self, reader: str, on: bool) -> None:
        """Cease to learn and to answer, or begin again; labels of meanwhile are not learned."""
        Trail.of().add(Deed(LEARNER_SWITCHED, self._name(reader), how="on" if on else "off"))
        self._shelf(reader).switch(on)

    def hear(self) -> None:
        """Learn what the ledger says that was not heard yet."""
        with self._hearing:
            predictor = self._serving().predictor
            records, network = self._ledger.records(), network_of(predictor)
            heard = self._heard or Heard.read(self._folder)
            if heard is None or heard.network != network or heard.records > len(records):
                for shelf in self._every():
                    shelf.reset()
                heard = Heard(network, len(records) if heard is not None else self._began)
                self._write(heard)
            self._heard = heard
            last = {record.case: number for number, record in enumerate(records, 1)}
            for number, record in enumerate(records[heard.records :], heard.records + 1):
                self._hear(predictor, record, number, newest=last[record.case] == number)
                self._write(Heard(network, number))

    def _hear(self, predictor: Predictor, record: Record, number: int, newest: bool) -> None:
        """One event of a case: what it taught before is taken back, and what it says now is learned."""
        pause = _Pauses(self._stop.is_set)
        for shelf in self._every():
            shelf.forget(record.case, number, pause)
        shelf = self._shelf(str(record.facts.get("reader") or ""))
        if record.event not in STANDING or not newest or not shelf.is_on:
            return
        try:
            found = self._taught(predictor, record, number)
        except CancelledError:
            raise
        except (SamError, OSError) as error:
            log.warning("nothing is learned from a label", case=record.case, reason=str(error))
            return
        for label, samples in found.items():
            shelf.learn(label, samples, pause)
        log.debug("learned as it goes", case=record.case, labels=sorted(found))

    def _taught(self, predictor: Predictor, record: Record, number: int) -> dict[str, list[Correction]]:
        """Samples by label of a record."""
        serving, known = self._serving(), self._case_of(record.case)
        case = replace(known, label=self._ledger.label(record), labels=record.names or known.labels)
        volume, labels = labelled_image(case, partial(serving.volume, case.image))

        def ask(work: Callable[[], Prediction]) -> Prediction:
            if self._stop.is_set():
                raise CancelledError("the server ends")
            return serving.queue.submit(work, Priority.BATCH).result()

        asked = predictor.about(partial(case_tags, case, volume))
        found: dict[str, list[Correction]] = {}
        for label, sample in samples_of(asked, volume, objects_of(case, labels), (record.case, number), ask):
            found.setdefault(label, []).append(sample)
        return found

    def _work(self) -> None:
        compute_on_one_core()  # layers this small are slower on two, and clicks want the other one
        size = None
        while not self._stop.is_set():
            try:
                if (now := self._size()) != size or self._ring.is_set():
                    self._ring.clear()
                    self.hear()
                    size = now
            except CancelledError:
                return
            except Exception:
                log.exception("online learning failed; answers go on with what was learned")
                size = now
            self._ring.wait(LOOK_SECONDS)

    def _size(self) -> tuple[int, str]:
        """Changes when there is something to hear."""
        predictor, file = self._serving().predictor, self._ledger.folder / "records.jsonl"
        return file.stat().st_size if file.exists() else 0, network_of(predictor)

    def _write(self, heard: Heard) -> None:
        heard.write(self._folder)
        self._heard = heard

    def _name(self, reader: str) -> str:
        return TEAM if self.choice.scope == TEAM else reader

    def _shelf(self, reader: str) -> Shelf:
        name = self._name(reader)
        folder = TEAM if self.choice.scope == TEAM else f"reader {quote(name, safe='')}"
        return self._shelves.setdefault(folder, Shelf(self._folder / folder))

    def _every(self) -> list[Shelf]:
        """Those of all readers, also of earlier starts."""
        folders = [path.name for path in self._folder.iterdir() if path.is_dir()] if self._folder.is_dir() else []
        return [self._shelves.setdefault(name, Shelf(self._folder / name)) for name in sorted(folders)]


class _Pauses:
    """Waits while readers click, all in all so long and no longer."""

    def __init__(self, should_stop: Callable[[], bool]) -> None:
        self._should_stop = should_stop
        self._left = PATIENCE_SECONDS
        self._activity = Activity()

    def __call__(self) -> None:
        """Between two pieces of work."""
        if self._should_stop():
            raise CancelledError("the server ends")
        began = time.monotonic()
        until = began + self._left
        self._activity.wait(lambda: self._should_stop() or time.monotonic() > until, QUIET_SECONDS)
        self._left -= time.monotonic() - began
