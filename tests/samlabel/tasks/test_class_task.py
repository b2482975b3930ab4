"""Classes over HTTP: what OHIF ticks, what an adapter has learned, and what it has not."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from sam_infer.imaging.image_file import write_image, write_mask
from sam_infer.networks.naming.semantic_head import SemanticHead
from sam_infer.networks.naming.unet import UNet
from sam_infer.networks.tiny.backbone import TinyBackbone
from sam_infer.serving.server_state import Serving
from sam_infer.slices.embedding_cache import EmbeddingCache
from sam_infer.slices.predictor import Predictor
from sam_trainer.labels.cases import Case
from sam_trainer.lessons.semantic_batches import SemanticBatches
from sam_trainer.lessons.semantic_lesson import semantic_lessons
from sam_trainer.synthetic.patients import grid
from sam_trainer.training.semantic import SemanticTraining
from samlabel.label_names import LabelNames
from samlabel.wire import auto_request
from tests.samlabel.conftest import Answer, Server
from tests.samlabel.tasks.test_auto_task import CASES, NAMES, overlaps, patient

# As OHIF sends it from its tab "Class Prompts".
OHIF = {"result_extension": ".nrrd", "result_dtype": "uint8", "result_compress": False, "restore_label_idx": False}

ADAPTER = "a" * 64


def ask(server: Server, task: str = "sam_class", image: str = "case_c", **params: Any) -> Answer:
    return server.send(
        {
            "method": "POST",
            "path": f"/infer/{task}",
            "query": {"image": image},
            "headers": {},
            "params": {**OHIF, **params},
        }
    )


def test_info_shows_a_class_model_to_ohif(server: Server) -> None:
    model = server.client.get("/info/").json()["models"]["sam_class"]
    assert (model["type"], model["dimension"], model["labels"]) == ("vista3d", 3, {"object": 1})
    assert "semantic" in server.client.get("/info/").json()["models"]["sam_auto"]["config"]["mode"]


@pytest.mark.parametrize(
    ("params", "word"),
    [
        ({"label_prompt": [7]}, "no class '7'; this server has 1 object"),
        ({"label_prompt": ["liver"]}, "no class 'liver'"),
        ({"label_prompt": [True]}, "no class 'True'"),
        ({"label_prompt": 1}, "must be a list of classes"),
        ({"label_prompt": [1]}, "has learned no labels"),
        ({}, "has learned no labels"),
    ],
)
def test_refusals_say_what_to_do(server: Server, params: dict[str, Any], word: str) -> None:
    for task, more in (("sam_class", {}), ("sam_auto", {"mode": "semantic"})):
        answer = ask(server, task, "l", **params, **more)
        assert answer.status == 422 and word in answer.facts["detail"], answer.facts


def test_classes_are_looked_for_on_the_slices_that_taught_them() -> None:
    """Across the coarsest axis, wherever a file stores it; a client that names a plane gets that."""
    sagittal = grid((12, 48, 40), (5.0, 1.0, 1.0))
    names = LabelNames(("left", "right"))
    assert auto_request.decode_semantic({}, sagittal, names).question.axis == 0
    assert auto_request.decode_semantic({"plane": "stored"}, sagittal, names).question.slices == range(12)
    assert auto_request.decode_semantic({"plane": "axial"}, sagittal, names).question.axis == 2
    assert auto_request.decode({"mode": "propose"}, sagittal, names).question.axis == 2


@pytest.fixture(scope="module")
def learned(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server whose adapter has learned `left` and `right` from two patients, and a third one to ask about."""
    folder, cases = tmp_path_factory.mktemp("classes"), []
    for name, (seed, shift) in CASES.items():
        volume, mask = patient(seed, shift)
        image = write_image(volume, folder / f"{name}.nii.gz")
        label = write_mask(mask, folder / "labels" / f"{name}.nii.gz")
        cases.append(Case("s", name, image, label, "CT", dict(enumerate(NAMES, 1)), {}))
    write_image(patient(*CASES["case_c"])[0], server.studies / "case_c.nii.gz")
    backbone = TinyBackbone.random()
    head = taught(backbone, cases[:2])
    tasks = [server.app.infer_task(name) for name in ("sam_auto", "sam_class")]
    names, serving = [task.names for task in tasks], server.app.serving
    for task in tasks:
        task.names = LabelNames((*NAMES, "other"))
    server.app.serving = Serving(Predictor(backbone, EmbeddingCache(), adapter=ADAPTER, semantic=head))
    server.app.datastore().refresh()
    yield server
    server.app.serving.close()
    server.app.serving = serving
    for task, before in zip(tasks, names, strict=True):
        task.names = before
    server.app.datastore().remove_image("case_c")


def taught(backbone: TinyBackbone, cases: list[Case], steps: int = 12) -> SemanticHead:
    """A head from some steps on the embedding of a network that stays as it is."""
    lessons = [lesson for case in cases for lesson in semantic_lessons(case, NAMES)]
    training = SemanticTraining(NAMES, SemanticBatches(lessons, backbone, EmbeddingCache()), 0)
    optimizer = torch.optim.AdamW(training.parameters(), 3e-3)
    for step in range(steps):
        training.loss(None, 2, np.random.default_rng(step)).backward()
        optimizer.step()
        optimizer.zero_grad()
    head = SemanticHead.of(training.tensors())
    assert head is not None
    return head


@pytest.mark.slow
def test_a_new_patient_is_labelled_without_a_click(learned: Server, tmp_path: Path) -> None:
    answer = ask(learned, "sam_auto", mode="semantic", extent="volume")
    assert answer.status == 200, answer.facts
    assert min(overlaps(answer.mask(tmp_path), patient(*CASES["case_c"])[1].array)) > 0.8
    facts = answer.facts
    assert facts["named_by"] == "the semantic head"
    assert facts["adapter"] == ADAPTER and facts["mode"] == "semantic" and facts["slices"] == [0, 15]
    assert set(facts["scores"]) == set(NAMES) and facts["warnings"] == ["not learned yet: other"]


@pytest.mark.slow
def test_classes_are_the_values_of_the_model_and_only_those_that_are_ticked(learned: Server, tmp_path: Path) -> None:
    everything = ask(learned, label_prompt=[]).mask(tmp_path).array
    assert set(np.unique(everything)) == {0, 1, 2}
    right = ask(learned, label_prompt=[2])
    np.testing.assert_array_equal(right.mask(tmp_path).array, np.where(everything == 2, 2, 0))
    assert right.facts["adapter"] == ADAPTER and right.facts["classes"] == ["right"] and not right.facts["warnings"]
    one = ask(learned, "sam_auto", mode="semantic", slice=6, label_prompt=["right"]).mask(tmp_path).array
    np.testing.assert_array_equal(one[:, :, 6], np.where(everything == 2, 2, 0)[:, :, 6])
    assert not np.delete(one, 6, axis=2).any()


def test_a_u_net_serves_in_the_place_of_the_head_and_every_answer_says_why(learned: Server, tmp_path: Path) -> None:
    unet = UNet(NAMES).eval()
    unet.reading.data[:, -1] += 3.0  # it has learned nothing, but draws something
    before, why = learned.app.serving, "the U-Net: Dice 0.600 without a prompt, 0.300 of the other one"
    network = replace(before.predictor, semantic=UNet.of(unet.tensors()), named_why=why, cache=EmbeddingCache())
    learned.app.serving = Serving(network)
    try:
        answer = ask(learned, "sam_auto", mode="semantic", slice=6)
        assert answer.status == 200 and answer.facts["named_by"] == why and answer.facts["scores"]
        assert learned.app.serving.predictor.cache.stats.encodes == 0  # nothing is encoded for it
    finally:
        learned.app.serving.close()
        learned.app.serving = before


@pytest.mark.slow
def test_what_earlier_requests_left_behind_is_said_or_ignored(learned: Server, tmp_path: Path) -> None:
    """OHIF keeps the keys of earlier requests: points of another tab, the mode and extent of another model."""
    clean = ask(learned, label_prompt=[1]).mask(tmp_path).array
    stale = ask(
        learned, label_prompt=[1], points=[[9, 9, 9]], point_labels=[1], mode="atlas", extent="slice", prior_tag="draft"
    )
    assert stale.status == 200 and "points are not used" in stale.facts["warnings"][0]
    np.testing.assert_array_equal(stale.mask(tmp_path).array, clean)


@pytest.mark.slow
def test_a_class_that_was_not_learned_is_refused(learned: Server) -> None:
    answer = ask(learned, label_prompt=[1, 3])
    assert answer.status == 422 and "has not learned other, only left, right" in answer.facts["detail"]
