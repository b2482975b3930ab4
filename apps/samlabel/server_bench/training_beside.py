"""Background load of the benchmark: a training on the same machine while readers click."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sam_trainer.synthetic.patients import demo_studies
from sam_trainer.training.record import LOG_FILE
from samlabel.server_bench.server_process import ServerError

# Until the first epoch is over everything is loaded and the cores are busy.
START_SECONDS = 900.0
LOOK_SECONDS = 0.5

# As long as the longest training that a client may ask for: it is ended, not awaited.
EPOCHS = 1000

# Per epoch: a training that learns nothing new ends after some epochs, which must take longer than the clicks.
STEPS = 100


@contextmanager
def training(folder: Path) -> Iterator[None]:
    """`samlabel train` at work, as anybody starts it, until the block ends."""
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
        started = time.monotonic()
        while not any(path.stat().st_size for path in home.rglob(LOG_FILE)):
            if process.poll() is not None:
                raise ServerError(f"the training ended: {(folder / 'train.log').read_text()[-500:]}")
            if time.monotonic() - started > START_SECONDS:
                raise ServerError("the training did not finish an epoch in time")
            time.sleep(LOOK_SECONDS)
        yield
        if process.poll() is not None:
            raise ServerError("the training was over before the clicks were")
    finally:
        process.terminate()
        process.wait()
