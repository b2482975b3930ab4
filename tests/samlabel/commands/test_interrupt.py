"""Ctrl-C on `samlabel train`: it ends by itself, its state is kept, `--resume` goes on, and a second one is refused."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from sam_trainer.training.progress import STOPPED, read_progress
from sam_trainer.training.run_round import PROGRESS_FILE, STATE_FILE, training_folder
from samlabel.commands.cli import app, main
from tests.brief_training import make_brief
from tests.processes import apart, wait_until
from tests.small_studies import flat_case

pytestmark = pytest.mark.slow

ORDER = ["--method", "decoder", "--epochs", "500", "--steps", "1", "--held-out", "1", "--precision", "float32"]


def trained(words: list[str], home: Path, told: Path) -> None:
    """The command in this process, with its output in a file."""
    torch.set_num_threads(1)
    os.environ["SAMLABEL_HOME"] = str(home)
    sys.argv = ["samlabel", *words]
    with told.open("a") as file, pytest.MonkeyPatch.context() as patch:
        make_brief(patch, "samlabel.commands.train")
        sys.stdout = sys.stderr = file
        main()


def test_an_interrupted_training_keeps_its_state_and_goes_on(tmp_path: Path, isolated_home: Path) -> None:
    studies, told = tmp_path / "studies", tmp_path / "told"
    for n, name in enumerate(("a", "case1")):
        flat_case(studies, name, n)
    words = ["train", "--studies", str(studies), *ORDER]
    folder, epochs = training_folder("tiny", isolated_home), [0]
    for resume in ([], ["--resume"]):
        with apart(trained, [*words, *resume], isolated_home, told) as process:

            def went_on(pid: int | None = process.pid) -> bool:
                facts = read_progress(folder / PROGRESS_FILE)
                return facts.get("pid") == pid and facts.get("epoch", 0) > epochs[-1]

            wait_until(lambda: process.exitcode is not None or went_on(), "an epoch is over")
            assert process.exitcode is None, told.read_text()
            second = CliRunner().invoke(app, [*words, "--resume"])
            assert second.exit_code == 1 and f"process {process.pid}" in str(second.exception)
            os.kill(process.pid or 0, signal.SIGINT)
            process.join()
            assert process.exitcode == 0 and "resume goes on" in told.read_text().splitlines()[-1]
        facts = read_progress(folder / PROGRESS_FILE)
        assert facts["state"] == STOPPED and facts["epoch"] > epochs[-1]
        epochs.append(facts["epoch"])
        assert len(list(folder.glob(f"*/{STATE_FILE}"))) == 1
