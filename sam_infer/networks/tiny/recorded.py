"""A network's parts as recorded operations: the same numbers, bit for bit, without Python between them.

Of a decode of `tiny` a quarter is Python on its way from one small operation to the next, during which no other thread
can answer anybody. A part that is asked often is recorded once, by a thread in the background, and only used where it
answers exactly as the part itself does.
"""

from __future__ import annotations

import threading
import warnings
from collections.abc import Sequence
from typing import Any

import structlog
import torch
from torch import Tensor, nn

log = structlog.get_logger(__name__)

# Recording takes as long as thirty questions; who asks less often would lose by it.
OFTEN = 24

# torch keeps what it is recording in one place for all threads.
_recording = threading.Lock()

# Questions of the same sizes that are asked of both: with a mask and without one they have the same.
COMPARED = 3

RECORDER = "record-network"

Arguments = tuple[Tensor, ...]


class Recorded:
    """A part in evaluation mode, of tensors to tensors; any number of threads may call it."""

    def __init__(self, part: nn.Module) -> None:
        self._part = part
        self._quick: Any = None
        self._samples: list[Arguments] = []  # some of each kind of question
        self._known: set[torch.Size] = set()  # of first arguments: a batch of another size is another matter
        self._asked, self._started = 0, False
        self._counting = threading.Lock()

    @property
    def is_ready(self) -> bool:
        """Whether the recording answers."""
        return self._quick is not None

    def __call__(self, *arguments: Tensor) -> tuple[Tensor, ...]:
        """What the part says."""
        quick = self._quick if arguments[0].shape in self._known else None
        answer: tuple[Tensor, ...] = (quick or self._part)(*arguments)
        if not self._started:
            self._count(arguments)
        return answer

    def _count(self, arguments: Arguments) -> None:
        with self._counting:
            self._asked += 1
            if sum(_shapes(arguments) == _shapes(sample) for sample in self._samples) < COMPARED:
                self._samples.append(tuple(one.clone() for one in arguments))
            if self._asked < OFTEN or self._started:
                return
            self._started = True
        # no daemon: a process that ends waits a second for it, where torch would end it with an abort
        threading.Thread(target=self._record, name=RECORDER).start()

    def _record(self) -> None:
        """Off the way of clicks."""
        try:
            with _recording, torch.inference_mode(), warnings.catch_warnings():
                warnings.simplefilter("ignore")  # what a recording could miss is compared below
                fullest = max(self._samples, key=lambda sample: sum(one.numel() for one in sample))
                quick = torch.jit.freeze(torch.jit.trace(self._part, fullest, check_trace=False))
                alike = all(_same(self._part(*sample), quick(*sample)) for sample in self._samples for _ in range(2))
            if alike:
                self._known = {sample[0].shape for sample in self._samples}
                self._quick = quick
                log.debug("recorded", part=type(self._part).__name__)
            else:
                log.warning("a recorded network differs: it is not used", part=type(self._part).__name__)
        except Exception as error:  # noqa: BLE001 - whatever stands in the way, the part itself goes on
            log.warning("a network was not recorded", part=type(self._part).__name__, reason=str(error)[-200:])
        finally:
            self._samples = []


def wait_for_recordings() -> None:
    """Come back when nothing is being recorded: for whoever measures."""
    for thread in threading.enumerate():
        if thread.name == RECORDER:
            thread.join()


def _shapes(arguments: Arguments) -> list[torch.Size]:
    return [one.shape for one in arguments]


def _same(wanted: Sequence[Tensor], found: Sequence[Tensor]) -> bool:
    return all(torch.equal(one, other) for one, other in zip(wanted, found, strict=True))
