"""Background load of the benchmark: a training on the same machine while readers click."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from sam_trainer.synthetic.patients import demo_studies
from sam_trainer.training.progress import read_progress
from sam_trainer.training.run_round import PROGRESS_FILE
from samlabel.server_bench.server_process import ServerError

# Until the first step is taken, and how often that is looked for. A slow machine may take minutes to load and to read.
START_SECONDS = 900.0
LOOK_SECONDS = 0.5

# As long as the longest training that a client may ask for: it is ended, not awaited.
EPOCHS = 1000

# Per epoch: a training that learns nothing new ends after some epochs, which must take longer than the clicks.
STEPS = 100


@contextmanager
def training(folder: Path, say: Callable[[str], None] = lambda _: None) -> Iterator[None]:
    """`samlabel train` at work, as anybody starts it, from its first step until the block ends.

    `say` hears what it is doing until then.
    """
    studies, home = demo_studies(folder / "labelled"), folder / "training"
    command = [
        sys.executable,
        "-m",
        "samlabel",
        "train",
        "--studies",
        str(studies),
        "--epochs",
        str(EPOCHS),
        "--steps",
        str(STEPS),
    ]
    with (folder / "train.log").open("wb") as log:
        process = subprocess.Popen(
            command, env={**os.environ, "SAMLABEL_HOME": str(home)}, stdout=log, stderr=subprocess.STDOUT
        )
    try:
        _until_it_trains(process, folder, home, say)
        yield
        if process.poll() is not None:
            raise ServerError("the training was over before the clicks were")
    finally:
        process.terminate()
        process.wait()


def _until_it_trains(process: subprocess.Popen[bytes], folder: Path, home: Path, say: Callable[[str], None]) -> None:
    """Wait for the first step."""
    started, told = time.monotonic(), ""
    while True:
        facts = next(map(read_progress, home.rglob(PROGRESS_FILE)), {})
        stage = str(facts.get("stage", "loading"))
        if facts.get("train"):
            return say("the training takes its steps")
        if process.poll() is not None:
            raise ServerError(f"the training ended: {(folder / 'train.log').read_text()[-500:]}")
        if time.monotonic() - started > START_SECONDS:
            raise ServerError(
                f"the training took no step in {START_SECONDS / 60:.0f} minutes, it was at '{stage}': measure on a "
                "machine that does less, or without readers (--readers-seconds 0)"
            )
        if stage != told:
            say(f"waiting for the training's first step: {stage}")
            told = stage
        time.sleep(LOOK_SECONDS)
