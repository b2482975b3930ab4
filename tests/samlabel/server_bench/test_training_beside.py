"""Readers beside a training wait for its first step, hear what it does until then, and not for ever."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from sam_trainer.training.progress import Progress
from sam_trainer.training.run_round import PROGRESS_FILE
from samlabel.server_bench import training_beside
from samlabel.server_bench.server_process import ServerError
from samlabel.server_bench.training_beside import _until_it_trains


@pytest.fixture
def process() -> Iterator[subprocess.Popen[bytes]]:
    """Something that runs."""
    with subprocess.Popen([sys.executable, "-Sc", "input()"], stdin=subprocess.PIPE) as running:
        yield running
        running.kill()


def test_readers_wait_for_the_first_step_and_hear_what_is_done_until_then(
    process: subprocess.Popen[bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, heard = tmp_path / "home" / "trainings" / "tiny" / PROGRESS_FILE, []
    monkeypatch.setattr(training_beside, "LOOK_SECONDS", 0)

    def say(text: str) -> None:
        heard.append(text)
        if "loading" in text:
            Progress(path, 3)
        elif "reading" in text:
            Progress(path, 3).step(0.1, 0, 0.5)
            Progress(path, 3, train={"loss": 0.5}, stage="training")

    _until_it_trains(process, tmp_path, tmp_path / "home", say)
    waiting = "waiting for the training's first step: "
    assert heard == [f"{waiting}loading", f"{waiting}reading labels", "the training takes its steps"]


def test_one_that_takes_no_step_or_ends_is_told(
    process: subprocess.Popen[bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(training_beside, "START_SECONDS", -1)
    with pytest.raises(ServerError, match=r"took no step in .* it was at 'loading'"):
        _until_it_trains(process, tmp_path, tmp_path, lambda _: None)
    process.kill()
    process.wait()
    (tmp_path / "train.log").write_text("no room")
    with pytest.raises(ServerError, match="the training ended: no room"):
        _until_it_trains(process, tmp_path, tmp_path, lambda _: None)
