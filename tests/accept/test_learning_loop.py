"""The loop over HTTP, on a server as it is really run: labels in, adapter out, judged, served, taken back."""

from __future__ import annotations

import email
import itertools
import json
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sam_infer.image_file import read_mask, write_mask
from sam_infer.volume import Mask
from sam_trainer.label_round import HELD_OUT, TRAIN, part_of
from tests.accept.server import ServerProcess
from tests.sam_trainer.conftest import flat_case

pytestmark = [pytest.mark.accept, pytest.mark.timeout(6000)]

TRAIN_TIMEOUT_S = 1800

SHORT = {"method": "decoder", "epochs": 3, "steps": 8, "images": 1, "objects": 4, "lr": 1e-3}
BLOCK = 16


def names(part: str, count: int) -> list[str]:
    """The first names that the split puts into a part."""
    return list(itertools.islice((f"case{n}" for n in itertools.count() if part_of(f"case{n}") == part), count))


TAUGHT, JUDGES = names(TRAIN, 6), names(HELD_OUT, 3)


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


def save(server: ServerProcess, name: str, file: Path) -> None:
    """As 3D Slicer does."""
    told = {"label_info": [{"name": n, "idx": i} for i, n in enumerate(("disk", "ring", "core"), 1)], "client_id": "x"}
    reply = server.client.put(
        "/datastore/label", params={"image": name, "tag": "final"}, files={"label": (file.name, file.read_bytes())},
        data={"params": json.dumps(told)},
    )  # fmt: skip
    assert reply.status_code == 200 and "quarantine" not in reply.json(), reply.text


def ask(server: ServerProcess, task: str, params: dict[str, Any]) -> tuple[dict[str, Any], bytes]:
    """Facts and mask."""
    told = {**params, "result_extension": ".nrrd", "result_compress": False}
    reply = server.client.post(f"/infer/{task}", params={"image": JUDGES[0]}, data={"params": json.dumps(told)})
    assert reply.status_code == 200, reply.text
    head = f"Content-Type: {reply.headers['content-type']}\r\n\r\n".encode()
    parts = email.message_from_bytes(head + reply.content).get_payload()
    named = {part.get_param("name", header="content-disposition"): part.get_payload(decode=True) for part in parts}
    return json.loads(named["params"]), named["image"]


def answers(server: ServerProcess) -> dict[str, tuple[dict[str, Any], bytes]]:
    """What a reader gets: a click on the ring, and labels without a click in the default mode."""
    return {"sam_2d": ask(server, "sam_2d", {"foreground": [[95, 33, 0]]}), "sam_auto": ask(server, "sam_auto", {})}


def train(server: ServerProcess, **params: Any) -> list[dict[str, Any]]:
    """Start a training and poll it to its end; everything that was told on the way."""
    reply = server.client.post("/train/sam", json={**SHORT, **params})
    assert reply.status_code == 200, reply.text
    return poll(server, lambda told: told["state"] not in ("starting", "running"))


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


def shuffled(label: Path, out: Path) -> Path:
    """The label's blocks in another order: as much to learn from, and all of it wrong."""
    mask = read_mask(label)
    grey = mask.array[..., 0]
    rows, cols = (n // BLOCK for n in grey.shape)
    blocks = [grey[i * BLOCK : (i + 1) * BLOCK, j * BLOCK : (j + 1) * BLOCK] for i in range(rows) for j in range(cols)]
    order = np.random.default_rng(0).permutation(len(blocks))
    wrong = np.zeros_like(mask.array)
    for place, source in enumerate(order):
        i, j = divmod(place, cols)
        wrong[i * BLOCK : (i + 1) * BLOCK, j * BLOCK : (j + 1) * BLOCK, 0] = blocks[source]
    return write_mask(Mask(wrong, mask.geometry), out / label.name)


def test_the_loop_over_http(server: ServerProcess, drawn: Path) -> None:
    refused = server.client.post("/train/sam", json=SHORT)
    assert refused.status_code == 422 and "submit at least one" in refused.json()["detail"]
    before = answers(server)
    assert {facts["adapter"] for facts, _ in before.values()} == {"none"}

    # two labels, nobody to judge: a candidate, which a person promotes
    for name in TAUGHT[:2]:
        save(server, name, drawn / "labels" / f"{name}.png")
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
    assert same_masks(answers(server), before)
    adapter = last["adapter"]
    assert server.client.post(f"/adapters/{adapter}/promote").json() == {"serves": adapter}
    after = answers(server)
    for task, (facts, mask) in after.items():
        assert facts["adapter"] == adapter and mask != before[task][1], task

    # labels that are wrong, and three patients to judge
    for name in JUDGES:
        save(server, name, drawn / "labels" / f"{name}.png")
    (drawn / "wrong").mkdir()
    for name in TAUGHT[2:]:
        save(server, name, shuffled(drawn / "labels" / f"{name}.png", drawn / "wrong"))
    last = train(server, epochs=6)[-1]
    assert last["state"] == "done" and not last["promoted"], last["message"]
    verdict = server.client.get(f"/adapters/{last['adapter']}").json()["verdict"]
    assert verdict["cases"] == 3 and verdict["gain"] < 0 and verdict["against"] == adapter
    assert "not better than what serves" in verdict["reason"]
    assert same_masks(answers(server), after)

    assert server.client.post("/adapters/rollback").json() == {"serves": None}
    assert same_masks(answers(server), before)


def same_masks(one: dict[str, tuple[dict[str, Any], bytes]], other: dict[str, tuple[dict[str, Any], bytes]]) -> bool:
    """Whether two sets of answers are equal, byte for byte."""
    return all(mask == other[task][1] and facts["adapter"] == other[task][0]["adapter"]
               for task, (facts, mask) in one.items())  # fmt: skip


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
