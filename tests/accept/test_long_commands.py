"""Long commands into a file: a line at least every five seconds, an end soon after Ctrl-C, and `--resume` goes on."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from threading import Thread

import pytest

from sam_trainer.training.progress import read_progress
from sam_trainer.training.run_round import PROGRESS_FILE, STATE_FILE, training_folder
from tests.accept.result_rows import ResultRows
from tests.processes import HANG_S, running, wait_until
from tests.small_studies import ball_case

pytestmark = [pytest.mark.accept, pytest.mark.timeout(3600)]

PREPARES, TRAINS, RESUMES = (
    "train, interrupted while it prepares",
    "train, interrupted while it trains",
    "train --resume",
)
OTHERS = [
    ["score", "--studies", "images"],
    ["predict", "images", "--prompts", "prompts.json", "--mode", "3d"],
    ["bench", "clicks", "--studies", "studies"],
    ["pretrain", "--minutes", "5"],
]


def name_of(words: list[str]) -> str:
    """What the row of a command is called."""
    return " ".join(words[:2])


LONG = ResultRows(
    "long_commands",
    "pytest -m accept tests/accept/test_long_commands.py",
    (PREPARES, TRAINS, RESUMES, *(name_of(words) for words in OTHERS)),
)

CASES = 8
SILENCE_S, END_S = 5.0, 5.0
LATE_S = 1.0  # of any process, on a machine with two busy cores
AT_WORK_S = 20.0  # when it is interrupted: far enough to be beyond loading

TRAIN = ["train", "--studies", "studies", "--epochs", "200", "--steps", "5"]


class Heard:
    """A command of ours whose output goes into a pipe, and when each of its lines came."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.times, self.lines = [time.monotonic()], [""]
        self._thread = Thread(target=self._read)
        self._thread.start()

    def _read(self) -> None:
        for line in self.process.stdout or ():
            self.times.append(time.monotonic())
            self.lines.append(line.rstrip())

    def interrupted(self) -> float:
        """Press Ctrl-C; seconds until its end."""
        begun = time.monotonic()
        self.process.send_signal(signal.SIGINT)
        self.ended()
        return time.monotonic() - begun

    def ended(self) -> None:
        """Wait for its end and its last line."""
        self.process.wait(HANG_S)
        self._thread.join()

    def silence(self) -> float:
        """The longest time without a line, from the start on."""
        times = [*self.times, time.monotonic()]
        return max(later - earlier for earlier, later in pairwise(times))


@contextmanager
def command(words: list[str], folder: Path) -> Iterator[Heard]:
    """A command that runs, in a folder that is also its home."""
    environment = {**os.environ, "SAMLABEL_HOME": str(folder / "home")}
    # whoever runs in the background ignores Ctrl-C, and so would its children
    signal.signal(signal.SIGINT, signal.default_int_handler)
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    with running([sys.executable, "-u", "-m", "samlabel", *words], cwd=folder, env=environment, **options) as process:
        yield Heard(process)


def note(what: str, heard: Heard, silence: float, seconds: float, started: float) -> None:
    row = {"what": what, "lines": len(heard.lines) - 1, "longest_silence_s": round(silence, 1)}
    LONG.add(row | {"seconds_from_ctrl_c_to_end": round(seconds, 1), "exit": heard.process.returncode}, started)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for n in range(CASES):
        ball_case(tmp_path / "studies", f"case{n}")
        ball_case(tmp_path / "images", f"case{n}")
    for label in (tmp_path / "images" / "labels" / "final").iterdir():
        label.unlink()
    described = {"cases": {f"case{n}": {"modality": "MR-T2*", "labels": {"1": "ball"}} for n in range(CASES)}}
    (tmp_path / "studies" / "dataset.json").write_text(json.dumps(described))
    words = {f"case{n}": {"point": ["6,20,22"]} for n in range(CASES)}
    (tmp_path / "prompts.json").write_text(json.dumps(words))
    return tmp_path


def of_training(folder: Path, name: str) -> Callable[[], float]:
    """A number that the training tells."""
    file = training_folder("tiny", folder / "home") / PROGRESS_FILE
    return lambda: float(read_progress(file).get(name) or 0)


def test_a_training_speaks_ends_and_goes_on(folder: Path) -> None:
    started, epoch, pid = time.time(), of_training(folder, "epoch"), of_training(folder, "pid")
    with command(TRAIN, folder) as heard:
        wait_until(lambda: heard.process.poll() is not None or pid() > 0, "labels are read")
        silence, seconds = heard.silence(), heard.interrupted()
        assert seconds < END_S and heard.process.returncode == 0, heard.lines[-5:]
        note(PREPARES, heard, silence, seconds, started)
    with command(TRAIN, folder) as heard:
        wait_until(
            lambda: heard.process.poll() is not None or (pid() == heard.process.pid and epoch() >= 1), "an epoch"
        )
        silence, seconds, reached = heard.silence(), heard.interrupted(), epoch()
        assert silence < SILENCE_S + LATE_S and seconds < END_S and heard.process.returncode == 0, heard.lines[-5:]
        assert list(training_folder("tiny", folder / "home").glob(f"*/{STATE_FILE}"))
        note(TRAINS, heard, silence, seconds, started)
    with command([*TRAIN, "--resume"], folder) as heard:
        wait_until(lambda: heard.process.poll() is not None or epoch() > reached, "it goes on")
        with command([*TRAIN, "--resume"], folder) as second:
            second.ended()
            assert second.process.returncode == 1 and f"process {heard.process.pid}" in second.lines[-1]
        silence, seconds = heard.silence(), heard.interrupted()
        assert silence < SILENCE_S + LATE_S and seconds < END_S and heard.process.returncode == 0, heard.lines[-5:]
        note(RESUMES, heard, silence, seconds, started)


@pytest.mark.parametrize("words", OTHERS, ids=lambda words: words[0])
def test_other_commands_speak_and_end(folder: Path, words: list[str]) -> None:
    started = time.time()
    with command(words, folder) as heard:
        begun = time.monotonic()
        wait_until(lambda: heard.process.poll() is not None or time.monotonic() - begun > AT_WORK_S, "it is at work")
        done = heard.process.poll() is not None
        silence, seconds = heard.silence(), heard.interrupted()
        assert silence < SILENCE_S + LATE_S and seconds < END_S, heard.lines[-5:]
        assert not any("Traceback" in line for line in heard.lines) and (heard.process.returncode == 0 or not done)
        note(name_of(words), heard, silence, seconds, started)
