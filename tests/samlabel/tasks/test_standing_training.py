"""A server's end is its training's; a training that a killed server left behind is told of, and can be stopped."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from monailabel.utils.async_tasks import utils

from sam_trainer.training.run_round import LOCK_FILE, PROGRESS_FILE, training_folder
from samlabel.tasks.standing_training import end_trainings_with_this_life, ending_trainings, standing_training
from tests.processes import running, wait_until
from tests.samlabel.conftest import Server

# As a training: it holds the lock, says that it runs, prints, and ends when it is asked to.
ORPHAN = """
import json, os, signal, sys, time
from filelock import FileLock
from samlabel.tasks.standing_training import stand_alone
stand_alone()
asked = []
signal.signal(signal.SIGTERM, lambda *_: asked.append(1))
folder = sys.argv[1]
with FileLock(folder + "/.lock"):
    facts = {"state": "running", "pid": os.getpid(), "start_ts": int(time.time()), "percent": 12.5}
    open(folder + "/progress.json", "w").write(json.dumps(facts))
    while not asked:
        print("a step", flush=True)
        time.sleep(0.01)
    open(folder + "/progress.json", "w").write(json.dumps({**facts, "state": "stopped"}))
"""


@pytest.fixture
def folder(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Of the trainings of the model that serves, in a home of its own."""
    monkeypatch.setenv("SAMLABEL_HOME", str(tmp_path / "home"))
    found = training_folder(server.app.config.model)
    found.mkdir(parents=True)
    return found


@pytest.fixture
def orphan(folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A training whose server is gone: nobody reads what it prints."""
    import samlabel

    places = os.pathsep.join([str(Path(samlabel.__file__).parents[1]), str(Path(samlabel.__file__).parents[2])])
    environment = {**os.environ, "PYTHONPATH": places}
    with running([sys.executable, "-c", ORPHAN, str(folder)], stdout=subprocess.PIPE, env=environment) as process:
        assert process.stdout is not None
        wait_until(lambda: (folder / PROGRESS_FILE).exists() or process.poll() is not None, "the training")
        process.stdout.close()
        yield process


def test_a_training_left_behind_is_told_of_refuses_another_and_can_be_stopped(
    server: Server, folder: Path, orphan: subprocess.Popen[bytes], caplog: pytest.LogCaptureFixture
) -> None:
    from samlabel.tasks.standing_training import adopt

    adopt(server.app.config.model)
    assert "this server did not start" in caplog.text and str(orphan.pid) in caplog.text
    told = server.client.get("/train/").json()
    assert told["status"] == "RUNNING" and told["adopted"] and told["progress"]["percent"] == 12.5
    refused = server.client.post("/train/sam", json={})
    assert refused.status_code == 422 and str(orphan.pid) in refused.json()["detail"]
    assert orphan.poll() is None  # it goes on though what it prints goes nowhere
    assert server.client.delete("/train/").json()["status"] == "STOPPED"
    orphan.wait()
    assert json.loads((folder / PROGRESS_FILE).read_text())["state"] == "stopped" and orphan.returncode == 0
    assert standing_training(server.app.config.model) is None


def test_a_number_that_belongs_to_another_process_by_now_is_no_training(server: Server, folder: Path) -> None:
    (folder / PROGRESS_FILE).write_text(json.dumps({"state": "running", "pid": os.getppid(), "start_ts": 1}))
    assert standing_training(server.app.config.model) is None
    assert (folder / LOCK_FILE).exists() and server.client.delete("/train/").json() is None


@pytest.mark.parametrize("begun", [False, True], ids=["ours", "under the host's command line"])
def test_a_server_that_ends_ends_its_training(server: Server, monkeypatch: pytest.MonkeyPatch, begun: bool) -> None:
    """The host's command line loads the app, and with it what mends the server, when its life has begun."""
    from contextlib import asynccontextmanager

    from fastapi import FastAPI
    from fastapi.testclient import TestClient

    @asynccontextmanager
    async def life(app: FastAPI) -> AsyncIterator[None]:
        if begun:
            end_trainings_with_this_life()
        yield

    command = [sys.executable, "-c", "import time; time.sleep(1000)"]
    with running(command) as training:
        task = {"id": "one", "status": "RUNNING"}
        monkeypatch.setitem(utils.background_processes, "train", {"one": training})
        monkeypatch.setitem(utils.background_tasks, "train", [task])
        with TestClient(FastAPI(lifespan=life if begun else ending_trainings(life))):
            assert training.poll() is None
        assert training.poll() == -signal.SIGTERM and task["status"] == "STOPPED"


def test_the_app_lives_like_that(server: Server) -> None:
    from samlabel.server.asgi import app

    assert "ending_trainings" in app.router.lifespan_context.__wrapped__.__qualname__
