"""The loop over HTTP, on a server as it is really run: labels in, adapter out, judged, served, taken back."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.accept.loop import JUDGES, TAUGHT, answers, same_masks, save, shuffled
from tests.accept.server import ServerProcess
from tests.small_studies import flat_case

pytestmark = [pytest.mark.accept, pytest.mark.timeout(6000)]

TRAIN_TIMEOUT_S = 1800

SHORT = {"method": "decoder", "epochs": 3, "steps": 8, "images": 1, "objects": 2, "decodes": 2, "lr": 2e-4}


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pictures in `studies`, and what readers will save of them in `labels`."""
    root = tmp_path_factory.mktemp("loop")
    for n, name in enumerate((*TAUGHT, *JUDGES)):
        flat_case(root / "studies", name, n)
    shutil.move(root / "studies" / "labels" / "final", root / "labels")
    return root


@pytest.fixture(scope="module")
def server(drawn: Path) -> Iterator[ServerProcess]:
    server = ServerProcess(drawn / "studies", drawn / "home")
    server.start()
    yield server
    server.stop()


def train(server: ServerProcess, **params: Any) -> list[dict[str, Any]]:
    """Start a training and poll it to its end; everything that was told on the way."""
    reply = server.client.post("/train/sam", json={**SHORT, **params})
    assert reply.status_code == 200, reply.text
    told = poll(server, lambda told: told["state"] not in ("starting", "running"))
    while server.client.get("/train/").json()["status"] == "RUNNING":  # its process ends a moment later
        time.sleep(0.2)
    return told


def poll(server: ServerProcess, enough: Any) -> list[dict[str, Any]]:
    told, deadline = [], time.monotonic() + TRAIN_TIMEOUT_S
    while time.monotonic() < deadline:
        reply = server.client.get("/train/").json()
        told.append(reply["progress"])
        if enough(told[-1]):
            return told
        assert reply["status"] in ("SUBMITTED", "RUNNING", "DONE"), reply
        time.sleep(0.2)
    raise TimeoutError(told[-1])


def test_the_loop_over_http(server: ServerProcess, drawn: Path) -> None:
    refused = server.client.post("/train/sam", json=SHORT)
    assert refused.status_code == 422 and "submit at least one" in refused.json()["detail"]
    before = answers(server.client)
    assert {facts["adapter"] for facts, _ in before.values()} == {"none"}

    # two labels, nobody to judge: a candidate, which a person promotes
    for name in TAUGHT[:2]:
        assert save(server.client, name, drawn / "labels" / f"{name}.png") == []
    told = train(server)
    percents = [entry["percent"] for entry in told]
    assert percents == sorted(percents) and percents[-1] == 100.0
    assert any("eta_s" in entry for entry in told)
    last = told[-1]
    assert last["state"] == "done" and not last["promoted"] and "promote it by hand" in last["message"]
    plotted = server.client.get("/info/").json()["train_stats"]["sam"]
    assert plotted["epoch"] == plotted["total_epochs"] == 3 and 0 < plotted["best_metric"] <= 1
    assert "total_time" in plotted
    assert server.client.get("/train/curves").content.startswith(b"\x89PNG")
    assert same_masks(answers(server.client), before)
    adapter = last["adapter"]
    assert server.client.post(f"/adapters/{adapter}/promote").json() == {"serves": adapter}
    after = answers(server.client)
    for task, (facts, mask) in after.items():
        assert facts["adapter"] == adapter and mask != before[task][1], task

    # labels that are wrong, and three patients to judge; where the right label is known, the wrong one is held back
    for name in JUDGES:
        assert save(server.client, name, drawn / "labels" / f"{name}.png") == []
    (drawn / "wrong").mkdir()
    for name in TAUGHT[2:]:
        assert save(server.client, name, shuffled(drawn / "labels" / f"{name}.png", drawn / "wrong")) == []
    for name in TAUGHT[:2]:
        wrong = shuffled(drawn / "labels" / f"{name}.png", drawn / "wrong")
        assert "gross_disagreement" in save(server.client, name, wrong)
    last = train(server, epochs=2, lr=3e-3, semantic_images=0, objects_per_case=4)[-1]
    assert last["state"] == "done" and not last["promoted"], last["message"]
    verdict = server.client.get(f"/adapters/{last['adapter']}").json()["verdict"]
    assert verdict["cases"] == 3 and verdict["gain"] < 0 and verdict["against"] == adapter
    assert "not better than what serves" in verdict["reason"]
    assert same_masks(answers(server.client), after)

    assert server.client.post("/adapters/rollback").json() == {"serves": None}
    assert same_masks(answers(server.client), before)


def test_a_training_is_stopped_and_keeps_its_best(server: ServerProcess) -> None:
    """After the test above: its labels are there."""
    assert server.client.post("/train/sam", json={**SHORT, "epochs": 200, "patience": 200}).status_code == 200
    poll(server, lambda told: told.get("epoch", 0) >= 1)
    reply = server.client.delete("/train/")
    assert reply.status_code == 200 and reply.json()["status"] == "STOPPED"
    told = server.client.get("/train/").json()["progress"]
    assert told["state"] == "stopped" and "not judged" in told["message"]
    assert server.client.get(f"/adapters/{told['adapter']}").json()["metrics"]["epochs"] >= 1
    assert server.client.delete("/train/").json() is None
