"""One turn of the loop through the whole app in this process: `tests/accept` does it on a server of its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sam_infer.imaging.image_file import read_mask, write_mask
from sam_infer.imaging.volume import Mask
from tests.accept.loop import JUDGES, TAUGHT, answers, same_masks, save, shuffled
from tests.brief_training import ask_few
from tests.samlabel.conftest import Server, embedded_network
from tests.small_studies import flat_case

pytestmark = pytest.mark.slow

# A few steps: enough to change what readers get. float32: without bfloat16 in the processor ten times as fast.
QUICK = {
    "precision": "float32",
    "method": "decoder",
    "epochs": 1,
    "steps": 6,
    "images": 1,
    "objects": 2,
    "decodes": 2,
    "lr": 2e-4,
    "semantic_images": 0,
    "objects_per_case": 4,
    "clicks": 5,
}


@pytest.fixture
def loop(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """The app on pictures without labels, with the embedded model and nothing learned yet."""
    monkeypatch.setenv("SAMLABEL_HOME", str(tmp_path / "home"))
    ask_few(monkeypatch)
    for n, name in enumerate((*TAUGHT, *JUDGES)):
        flat_case(tmp_path / "drawn", name, n)
        image = tmp_path / "drawn" / f"{name}.png"
        server.client.put(f"/datastore/image?image={name}", files={"file": (image.name, image.read_bytes())})
    hidden = server.client.get("/datastore/label?label=l&tag=final").content
    server.client.delete("/datastore/label?id=l&tag=final")
    with embedded_network(server):
        yield server
    for name in (*TAUGHT, *JUDGES):
        server.client.delete(f"/datastore/image?id={name}")
    server.client.put(
        "/datastore/label?image=l&tag=final", files={"label": ("l.nii.gz", hidden)}, data={"params": "{}"}
    )


def train(server: Server, **params: Any) -> dict[str, Any]:
    reply = server.client.post("/train/sam?run_sync=true", json={**QUICK, **params})
    assert reply.status_code == 200, reply.text
    told: dict[str, Any] = server.client.get("/info/").json()["train_stats"]["sam"]
    assert told["state"] == "done", told
    return told


def test_the_loop(loop: Server, tmp_path: Path) -> None:
    client, labels = loop.client, tmp_path / "drawn" / "labels" / "final"
    refused = client.post("/train/sam", json=QUICK)
    assert refused.status_code == 422 and "submit at least one" in refused.json()["detail"]
    empty = Mask.empty(read_mask(labels / f"{TAUGHT[0]}.png").geometry)
    assert save(client, TAUGHT[0], write_mask(empty, tmp_path / "empty.png")) == ["empty"]
    refused = client.post("/train/sam", json=QUICK)
    assert refused.status_code == 422 and "every accepted label is in quarantine" in refused.json()["detail"]
    before = answers(client)
    assert {facts["adapter"] for facts, _ in before.values()} == {"none"}
    # two labels, nobody to judge: a candidate, which a person promotes
    for name in TAUGHT[:2]:
        assert save(client, name, labels / f"{name}.png") == []
    told = train(loop, lr=1e-3)
    assert not told["promoted"] and "promote it by hand" in told["message"]
    assert told["epoch"] == told["total_epochs"] == 1 and 0 < told["best_metric"] <= 1 and "total_time" in told
    assert client.get("/train/curves").content.startswith(b"\x89PNG")
    assert same_masks(answers(client), before)
    adapter = told["adapter"]
    assert client.post(f"/adapters/{adapter}/promote").json() == {"serves": adapter}
    after = answers(client)
    for task, (facts, mask) in after.items():
        assert facts["adapter"] == adapter and mask != before[task][1], task
    # labels that are wrong, and three patients to judge; where the right label is known, the wrong one is held back
    for name in JUDGES:
        assert save(client, name, labels / f"{name}.png") == []
    for name in TAUGHT[2:]:
        assert save(client, name, shuffled(labels / f"{name}.png", tmp_path / "wrong")) == []
    for name in TAUGHT[:2]:
        assert "gross_disagreement" in save(client, name, shuffled(labels / f"{name}.png", tmp_path / "wrong"))
    told = train(loop, epochs=2, steps=8, lr=3e-3)
    verdict = client.get(f"/adapters/{told['adapter']}").json()["verdict"]
    assert not told["promoted"] and verdict["cases"] == 3 and verdict["against"] == adapter
    assert verdict["gain"] < 0 and "not better than what serves" in verdict["reason"]
    assert same_masks(answers(client), after)
    assert client.post("/adapters/rollback").json() == {"serves": None}
    assert same_masks(answers(client), before)
