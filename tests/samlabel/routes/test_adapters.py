"""Adapters over HTTP that cannot be used: a sentence and a status, and the network answers without them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from safetensors.torch import save

from sam_infer.adapters.adapter import Adapter, Provenance, content_id
from sam_infer.adapters.ids import ADAPTER_FILE
from sam_infer.adapters.store import AdapterStore
from sam_infer.models.load import load_network
from samlabel.host.handle import trainers
from tests.samlabel.conftest import Server, embedded_network

LAYER = "image_encoder.blocks.0.attn"


@pytest.fixture
def store() -> AdapterStore:
    return AdapterStore("tiny")


@pytest.fixture
def loaded(server: Server) -> Iterator[Server]:
    """With the embedded network, and the adapters of this test's home."""
    with embedded_network(server):
        yield server


def adapter(width: int = 192, place: str = LAYER) -> Adapter:
    """A bottleneck; of a width that `tiny` has or has not."""
    shapes = {"down.weight": (4, width), "down.bias": (4,), "up.weight": (width, 4), "up.bias": (width,)}
    tensors = {f"bottleneck/{place}/{name}": torch.full(shape, 0.01) for name, shape in shapes.items()}
    base = load_network("tiny").fingerprint.weights
    return Adapter(tensors, Provenance("tiny", base, "bottleneck", {}, 0, ("a",), ()))


def test_what_is_not_there_or_damaged_is_not_promoted(server: Server, store: AdapterStore) -> None:
    lost = server.client.post("/adapters/ffff/promote")
    assert lost.status_code == 404 and "there is no adapter that begins with 'ffff'" in lost.json()["detail"]
    name = store.put(adapter())
    file = store.folder / name / ADAPTER_FILE
    file.write_bytes(file.read_bytes()[:-10])
    for reply in (server.client.post(f"/adapters/{name}/promote"), server.client.get(f"/adapters/{name}")):
        assert reply.status_code == 409 and "was changed or is damaged" in reply.json()["detail"]
    (row,) = server.client.get("/adapters/").json()["adapters"]
    assert "was changed or is damaged" in row["damaged"] and not row["serves"]
    assert store.pointer().adapter is None


@pytest.mark.parametrize(
    ("made", "sentence"),
    [
        ({"width": 64}, "the adapter does not fit the network"),
        ({"place": "image_encoder.blocks.77.attn"}, "it has no image_encoder.blocks.77.attn"),
    ],
)
def test_what_does_not_fit_is_not_promoted_and_never_serves(
    loaded: Server, store: AdapterStore, made: dict[str, Any], sentence: str
) -> None:
    name = store.put(adapter(**made))
    refused = loaded.client.post(f"/adapters/{name}/promote")
    assert refused.status_code == 409 and sentence in refused.json()["detail"]
    store.promote(name, "by another program")
    answer = loaded.click("l", foreground=[[20, 16, 12]])
    assert answer.status == 200 and answer.facts["adapter"] == "none" and answer.mask_bytes
    assert any(sentence in warning for warning in answer.facts["warnings"]), answer.facts


def test_a_file_of_a_kind_that_nobody_knows_is_not_promoted(server: Server, store: AdapterStore) -> None:
    """Its hash is right: it was made by a version that knows more."""
    good = adapter()
    text = good.provenance.text(("magic",))
    data = save({"magic/somewhere/a": torch.ones(2)}, metadata={"provenance": text})
    name = content_id(data)
    (store.folder / name).mkdir(parents=True)
    (store.folder / name / ADAPTER_FILE).write_bytes(data)
    reply = server.client.post(f"/adapters/{name}/promote")
    assert reply.status_code == 409 and "of kind magic, which this version does not know" in reply.json()["detail"]
    assert store.pointer().adapter is None


def test_a_method_that_nobody_knows_or_that_does_not_fit_is_refused_before_a_process_is_started(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(**params: Any) -> str:
        reply = server.client.post("/train/sam", json=params)
        assert reply.status_code == 422 and reply.json()["field"] in ("method", "lr"), reply.text
        return str(reply.json()["detail"])

    assert "method must be one of lora, decoder, " in refused(method="magic")
    assert "auto takes no lr" in refused(method="auto", lr=0.1)
    monkeypatch.setattr(trainers()["sam"], "model", "mobile_sam")
    assert "its encoder is another" in refused(method="cine")
