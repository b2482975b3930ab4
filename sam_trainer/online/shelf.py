"""Learners on a shelf: one file per label; those that answered last are in memory, the others rest on disk.

    FOLDER/LABEL.safetensors    a learner; names are spelled so that they are file names anywhere
    FOLDER/off                  there: nothing is learned, and nothing laid over answers

One thread at a time changes the shelf; any number ask it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, unquote

from sam_infer.files import write_whole
from sam_infer.lru_cache import LruCache
from sam_trainer.online.learner import Correction, Learner, rebuilt
from sam_trainer.online.refining import Answering, Refining
from sam_trainer.online.state_file import read_about, read_learner, write_learner

SUFFIX, OFF = ".safetensors", "off"

# Learners in memory; each is a few hundred kilobytes.
AWAKE = 16

Pause = Callable[[], None]


@dataclass(frozen=True)
class LearnedLabel:
    """How far a label is learned."""

    label: str
    share: float  # of the network's logits in the next answer
    taught: int  # objects that were ever learned
    samples: tuple[str, ...]  # the case of each object in the queue

    @property
    def queue(self) -> int:
        """Objects that it learns from."""
        return len(self.samples)

    @property
    def cases(self) -> tuple[str, ...]:
        """The cases that they are of."""
        return tuple(dict.fromkeys(self.samples))

    @property
    def weight(self) -> float:
        """Of what was learned, in the next answer."""
        return round(1.0 - self.share, 2)


class Shelf:
    """The learners of a team or of a reader."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._awake = LruCache(AWAKE)
        self._changing = threading.Lock()  # held for seconds
        self._moving = threading.Lock()  # while a file and what is known of it are replaced together

    @property
    def is_on(self) -> bool:
        """Whether it learns and answers."""
        return not (self.folder / OFF).exists()

    def switch(self, on: bool) -> None:
        """Begin or cease; what was learned stays where it is."""
        if on:
            (self.folder / OFF).unlink(missing_ok=True)
        else:
            write_whole(self.folder / OFF, "")

    def labels(self) -> list[str]:
        """Labels that somebody learns."""
        return sorted(unquote(file.name.removesuffix(SUFFIX)) for file in self.folder.glob(f"*{SUFFIX}"))

    def standings(self) -> list[LearnedLabel]:
        """All of them, as their files say."""
        found = [(label, read_about(self._file(label))) for label in self.labels()]
        return [
            LearnedLabel(label, one["share"], one["taught"], tuple(sample["case"] for sample in one["samples"]))
            for label, one in found
            if one is not None
        ]

    def refiner(self, labels: Iterable[str]) -> Refining | None:
        """What lays over answers about these labels; None where nothing does."""
        if not self.is_on:
            return None
        learned = {label: one for label in labels if (one := self._answering(label)) is not None}
        return Refining(learned) if learned else None

    def learn(self, label: str, samples: Sequence[Correction], pause: Pause = lambda: None) -> None:
        """Learn what one record of the ledger teaches about a label; once, however often it is told."""
        with self._changing:
            learner = read_learner(self._file(label)) or Learner()
            new = [sample for sample in samples if sample.record > learner.record]
            if new:
                learner.accept(new, pause)
                self._keep(label, learner)

    def forget(self, case: str, before: int, pause: Pause = lambda: None) -> None:
        """Make every learner anew that holds what a case taught in records `before` one of the ledger."""
        with self._changing:
            for label in self.labels():
                learner = read_learner(self._file(label))
                if learner is None:
                    continue
                kept = [sample for sample in learner.samples if sample.case != case or sample.record >= before]
                if len(kept) < len(learner.samples):
                    self._awake.keep(label, None)  # meanwhile the network answers alone
                    self._keep(label, rebuilt(kept, learner.record, pause))

    def reset(self) -> None:
        """Forget everything."""
        with self._changing:
            for label in self.labels():
                with self._moving:
                    self._file(label).unlink(missing_ok=True)
                    self._awake.keep(label, None)

    def _keep(self, label: str, learner: Learner) -> None:
        with self._moving:
            write_learner(self._file(label), learner)
            self._awake.keep(label, Answering.of(learner))

    def _answering(self, label: str) -> Answering | None:
        def asleep() -> Answering | None:
            learner = read_learner(self._file(label))
            return Answering.of(learner) if learner is not None else None

        with self._moving:
            found: Answering | None = self._awake.get(label, asleep)
        return found

    def _file(self, label: str) -> Path:
        return self.folder / f"{quote(label, safe=' ')}{SUFFIX}"
