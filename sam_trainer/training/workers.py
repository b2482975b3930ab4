"""Distributed worker ranks: spawns the other processes of a training, and ends them when it ends.

Only the first process of a group decides, validates and writes; the others do steps. They end when it ends, however it
ends: a killed one closes its connections, and their next word to it fails.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from multiprocessing import get_context
from multiprocessing.context import SpawnProcess
from multiprocessing.synchronize import Semaphore
from pathlib import Path

import torch

from sam_infer.models.load import load_network
from sam_infer.networks.runtimes.precision import AUTO
from sam_trainer.config import TrainConfig
from sam_trainer.errors import TrainingError
from sam_trainer.labels.round import read_round
from sam_trainer.methods.trainable import trainable
from sam_trainer.process_group import ProcessGroup
from sam_trainer.training.fit import Fit
from sam_trainer.training.progress import Progress
from sam_trainer.training.round_setup import RoundSetup

LOOK_EVERY_S = 0.5


@contextmanager
def worker_ranks(config: TrainConfig, folder: Path, home: Path) -> Iterator[ProcessGroup]:
    """Context manager that spawns the worker ranks on a round's folder and ends them on exit; yields rank 0."""
    if config.processes == 1:
        yield ProcessGroup()
        return
    context, meeting = get_context("spawn"), folder / f".meeting-{os.getpid()}"
    meeting.unlink(missing_ok=True)
    ready = context.Semaphore(0)
    helpers = [
        context.Process(target=_assist, args=(config, folder, home, rank, meeting, ready), daemon=True)
        for rank in range(1, config.processes)
    ]
    group, threads = ProcessGroup(0, config.processes), torch.get_num_threads()
    try:
        for helper in helpers:
            helper.start()
        for _ in helpers:
            _await(ready, helpers)
        _take_place(0)
        group.join(meeting)
        yield group
    except RuntimeError as error:  # gloo's, if one of the others is gone
        if not _gone(helpers):
            raise
        raise TrainingError(f"a process of the training ended by itself ({error}): go on with resume") from error
    finally:
        with suppress(RuntimeError):  # gloo's: nobody is left to part from
            group.leave()
        torch.set_num_threads(threads)
        for helper in helpers:
            if helper.pid is not None:
                helper.kill()
                helper.join()
        meeting.unlink(missing_ok=True)


def _await(ready: Semaphore, helpers: list[SpawnProcess]) -> None:
    """Wait for one more to be ready; those who meet wait for hours for one who never comes."""
    while not ready.acquire(timeout=LOOK_EVERY_S):
        gone = next((helper for helper in helpers if helper.exitcode is not None), None)
        if gone is not None:
            raise TrainingError(f"a process of the training could not start (exit code {gone.exitcode}): see the log")


def _gone(helpers: list[SpawnProcess]) -> bool:
    """Whether one of them ended; its connections close a moment before it does."""
    for helper in helpers:
        helper.join(LOOK_EVERY_S)
    return any(helper.exitcode is not None for helper in helpers)


def _assist(config: TrainConfig, folder: Path, home: Path, rank: int, meeting: Path, ready: Semaphore) -> None:
    """Take another place in the group and do steps until the first one has enough."""
    for number in (signal.SIGINT, signal.SIGTERM):  # the first one is asked too, and says when
        signal.signal(number, signal.SIG_IGN)
    _take_place(rank)
    base = load_network(config.model, home, AUTO)
    teacher = RoundSetup(base, config, home, lambda: False).teacher(read_round(folder))
    group = ProcessGroup(rank, config.processes)
    ready.release()
    group.join(meeting)
    fit = Fit(trainable(base), config, teacher, folder, group)
    fit.resume()
    try:
        fit.run(Progress(None, config.epochs), lambda: False)
    except RuntimeError:  # gloo's: the first one is gone
        os._exit(1)


def _take_place(rank: int) -> None:
    """A GPU of its own, or a thread."""
    if torch.cuda.is_available():
        torch.cuda.set_device(rank % torch.cuda.device_count())
    else:
        torch.set_num_threads(1)
