"""Every kind of adapter goes the whole way on the demo: trained through the route, judged, promoted, and it answers
what the trainer's own network answers with the same tensors.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sam_infer.adapters.adapter import Adapter
from sam_infer.adapters.store import AdapterStore
from sam_infer.imaging.image_file import read_image, read_mask
from sam_infer.imaging.volume import Mask
from sam_infer.models.load import load_network
from sam_infer.networks.tiny.backbone import TinyBackbone
from sam_infer.prompts.object_prompts import Prompts
from sam_infer.slices.embedding_cache import EmbeddingCache
from sam_infer.slices.predictor import Predictor
from sam_trainer.config import METHODS, TrainConfig
from sam_trainer.methods.method import adapt
from sam_trainer.methods.trainable import TrainableTiny, trainable
from sam_trainer.synthetic.patients import demo_studies
from tests.brief_training import ask_few
from tests.samlabel.conftest import Server, embedded_network
from tests.samlabel.routes.test_train import train

pytestmark = [pytest.mark.accept, pytest.mark.timeout(3600)]

SHORT = {
    "steps": 2,
    "images": 1,
    "objects": 1,
    "decodes": 1,
    "lr": 1e-2,
    "objects_per_case": 1,
    "held_out_cases": 1,
    "promote": False,
}
KINDS = [method for method in METHODS if method not in ("lora", "decoder", "full")]
CASE, LABEL = "demo_ct_1", 1


@dataclass
class Demo:
    """The demo studies in a server whose network is the embedded one."""

    server: Server
    home: Path
    files: Path

    def click(self) -> tuple[list[int], Any]:
        """On the first label, where it is largest; the place and the answer."""
        mask = read_mask(self.files / "labels" / "final" / f"{CASE}.nii.gz").array == LABEL
        k = int(mask.sum(axis=(0, 1)).argmax())
        inside = np.argwhere(mask[:, :, k])
        i, j = inside[np.abs(inside - inside.mean(axis=0)).sum(axis=1).argmin()]
        place = [int(i), int(j), k]
        return place, self.server.click(CASE, foreground=[place], result_extension=".nrrd", result_compress=False)


@pytest.fixture(scope="module")
def demo(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    root = tmp_path_factory.mktemp("demo")
    files, client = demo_studies(root / "files"), server.client
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SAMLABEL_HOME", str(root / "home"))
        hidden = client.get("/datastore/label?label=l&tag=final").content
        client.delete("/datastore/label?id=l&tag=final")
        names = [path.name for path in sorted((files / "labels" / "final").iterdir())]
        for name in names:
            image = name.partition(".")[0]
            client.put(f"/datastore/image?image={image}", files={"file": (name, (files / name).read_bytes())})
            label = (files / "labels" / "final" / name).read_bytes()
            saved = client.put(
                f"/datastore/label?image={image}&tag=final", files={"label": (name, label)}, data={"params": "{}"}
            )
            assert saved.status_code == 200 and not saved.json().get("quarantine"), saved.text
        with embedded_network(server):
            yield Demo(server, root / "home", files)
        for name in names:
            client.delete(f"/datastore/image?id={name.partition('.')[0]}")
        client.put("/datastore/label?image=l&tag=final", files={"label": ("l.nii.gz", hidden)}, data={"params": "{}"})


def as_trained(adapter: Adapter) -> Predictor:
    """The network of the trainer itself, with what is kept of a training."""
    made = adapter.provenance
    settings = {key: tuple(value) if isinstance(value, list) else value for key, value in made.settings.items()}
    config = TrainConfig(model="tiny", method=made.method, seed=made.seed, **settings)
    network = trainable(load_network("tiny"))
    assert isinstance(network, TrainableTiny)
    adapt(network.network, config, network.told).load(adapter.tensors)
    network.network.requires_grad_(False)
    return Predictor(TinyBackbone(network.network), EmbeddingCache())


@pytest.mark.parametrize("kind", [*KINDS, "auto"])
def test_every_kind_is_trained_judged_promoted_and_answers_as_in_training(
    demo: Demo, kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SAMLABEL_HOME", str(demo.home))
    ask_few(monkeypatch)
    _, base = demo.click()
    assert base.status == 200 and base.facts["adapter"] == "none", base.facts
    more: dict[str, Any] = {"minutes": 0.1, "lr": None} if kind == "auto" else {}
    told = train(demo.server, **{**SHORT, "method": kind, **more})
    name, client = told["adapter"], demo.server.client
    facts = client.get(f"/adapters/{name}").json()
    assert facts["verdict"]["cases"] == 1 and facts["verdict"]["reason"] in told["message"]
    if kind == "auto":
        rows = facts["verdict"]["auto"]["methods"]
        assert facts["method"] == rows[0]["method"] and facts["metrics"]["auto"]["methods"] == rows == told["methods"]
        assert all(row["out"] for row in rows[1:]) and len([row for row in rows if row["epochs"]]) >= 2
    else:
        assert facts["method"] == kind
    assert client.post(f"/adapters/{name}/promote").json() == {"serves": name}
    try:
        place, answered = demo.click()
        assert answered.status == 200 and answered.facts["adapter"] == name and not answered.facts.get("warnings")
        volume = read_image(demo.files / f"{CASE}.nii.gz")
        prompts = Prompts(2, np.array([place]), np.array([1]))
        stored = AdapterStore("tiny", demo.home).get(name)
        ours = as_trained(stored).predict(volume, prompts, place[2]).mask(volume)
        assert mask_of(answered.mask(tmp_path)).any()
        np.testing.assert_array_equal(mask_of(answered.mask(tmp_path)), mask_of(ours))
    finally:
        client.post("/adapters/rollback")


def mask_of(mask: Mask) -> np.ndarray:
    """Where the object is."""
    return np.asarray(mask.array > 0)
