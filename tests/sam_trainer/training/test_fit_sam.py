"""Training of `segment_anything` networks: the same loop, their own pixels, prompts and tensors."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from sam_infer.adapters.adapter import Adapter, Provenance
from sam_infer.adapters.kinds.registry import merged
from sam_infer.adapters.store import AdapterStore
from sam_infer.networks.backbone import Hints
from sam_infer.networks.frame import resize_pixels, whole
from sam_infer.networks.sam import PREPROCESSING, SamBackbone
from sam_infer.networks.sam_vit import VitShape, build_vit, with_weights
from sam_infer.slices.embedding_cache import EmbeddingCache
from sam_infer.weights.store import ModelStore
from sam_trainer.config import TrainConfig
from sam_trainer.judging.policy import GatePolicy
from sam_trainer.labels.cases import read_sources
from sam_trainer.labels.round import AcceptedLabel
from sam_trainer.lessons.batches import LessonBatches
from sam_trainer.lessons.lesson import Lesson, lessons_of
from sam_trainer.methods.trainable import TrainableSam
from sam_trainer.training.fit import Fit, Teacher
from sam_trainer.training.progress import Progress
from sam_trainer.training.run_round import TrainingRound
from tests.sam_infer.conftest import State, seeded
from tests.small_studies import flat_case

SMALL = VitShape(48, 2, 4, (1,), 128)

SHORT = TrainConfig(model="vit_b", epochs=1, steps=2, images=2, objects=2, decodes=2)


pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def weights() -> State:
    return seeded(build_vit(SMALL).state_dict())


@pytest.fixture(scope="module")
def lessons(tmp_path_factory: pytest.TempPathFactory) -> list[Lesson]:
    folder = tmp_path_factory.mktemp("studies")
    flat_case(folder, "a", 0)
    return lessons_of(read_sources(folder)[0].cases[0])


def backbone(weights: State, preprocessing: str = "sam") -> SamBackbone:
    return SamBackbone("small", with_weights(build_vit(SMALL), dict(weights)), preprocessing)


def trainable(weights: State, preprocessing: str = "sam") -> TrainableSam:
    copies = {name: value.clone() for name, value in weights.items()}
    network = with_weights(build_vit(SMALL), copies)
    return TrainableSam(network, PREPROCESSING[preprocessing], torch.device("cpu"))


@pytest.mark.parametrize("preprocessing", ["sam", "medsam"])
def test_a_dialogue_sees_what_the_server_sees(weights: State, lessons: list[Lesson], preprocessing: str) -> None:
    """Pixels, features and answers of the trainer's view are those of the serving backbone."""
    served, seen = backbone(weights, preprocessing), trainable(weights, preprocessing)
    lesson = lessons[0]
    frame = served.frame(whole(lesson.view.height, lesson.view.width), lesson.view.pixel_mm)
    pixels = resize_pixels(frame.cut(lesson.pixels), frame)
    expected = served.encode(pixels[None])
    with torch.no_grad():
        features = seen.encode(seen.image(pixels[None])[None])
        assert torch.equal(features["embedding"], expected["embedding"])
        points = torch.tensor([[[20.0, 30.0], [50.0, 40.0]], [[20.0, 30.0], [0.0, 0.0]], [[0.0, 0.0], [0.0, 0.0]]])
        labels = torch.tensor([[1.0, 0.0], [1.0, -1.0], [-1.0, -1.0]])
        boxes = torch.tensor([[torch.nan] * 4, [torch.nan] * 4, [10.0, 12.0, 60.0, 70.0]])
        prior = torch.full((3, 1, served.low_res, served.low_res), torch.nan)
        prior[1] = torch.randn(1, served.low_res, served.low_res)
        three = {name: value.repeat_interleave(3, 0) for name, value in features.items()}
        logits, scores = seen.decode(three, points, labels, boxes, prior)
    hints = (
        Hints(points[0].numpy(), np.array([1, 0])),
        Hints(points[1, :1].numpy(), np.array([1]), None, prior[1, 0].numpy()),
        Hints(np.zeros((0, 2), np.float32), np.zeros(0, np.int64), boxes[2].numpy()),
    )
    for n, hint in enumerate(hints):
        answer = served.decode(expected, hint)
        order = [1, 2, 3, 0]
        np.testing.assert_allclose(logits[n, order].numpy(), answer.logits, atol=1e-4)
        np.testing.assert_allclose(scores[n, order].numpy(), answer.scores, atol=1e-5)


@pytest.mark.parametrize("method", ["lora", "decoder", "full"])
def test_a_fit_changes_what_its_method_says_and_nothing_else(
    method: str, weights: State, lessons: list[Lesson], tmp_path: Path
) -> None:
    config = replace(SHORT, method=method)
    network, served = trainable(weights), backbone(weights)
    cache = EmbeddingCache() if method == "decoder" else None
    seen: list[set[str]] = []

    def validate(tensors: dict[str, torch.Tensor]) -> float:
        seen.append(set(tensors))
        return 0.5

    fit = Fit(network, config, Teacher(LessonBatches(lessons, served, cache), validate), tmp_path)
    fitted = fit.run(Progress(None, 1), lambda: False)
    assert fitted.standing.epoch == 1 and np.isfinite(fitted.standing.loss) and fitted.standing.loss > 0
    assert seen == [set(fitted.tensors)]
    adapter = Adapter(fitted.tensors, Provenance("vit_b", "b", method, {}, 0, (), ()))
    result = merged(weights, adapter.tensors)
    changed = {name for name, value in result.items() if not torch.equal(value, weights[name])}
    attention = {f"image_encoder.blocks.{block}.attn.qkv.weight" for block in range(2)}
    if method == "lora":
        assert {name for name in changed if name.startswith("image_encoder.")} == attention
    if method != "full":
        assert all(name.startswith("mask_decoder.") for name in changed - attention)
    assert any(name.startswith("mask_decoder.") for name in changed)
    same = backbone(result).encoder_id == served.encoder_id
    assert same == (method == "decoder")


@pytest.mark.accept
@pytest.mark.timeout(7200)
def test_a_whole_vit_b_learns_its_decoder_from_remembered_embeddings(tmp_path: Path) -> None:
    """Random weights at full size: every part is the real one, only the skill is missing."""
    from sam_infer.networks.sam_vit import build

    home = tmp_path / "home"
    file = tmp_path / "sam_vit_b_random.pth"
    torch.save(seeded(build("vit_b").state_dict()), file)
    ModelStore(home).add(file, "vit_b")
    for n, name in enumerate(("a", "case1")):
        flat_case(tmp_path / "studies", name, n)
    accepted = [AcceptedLabel(case) for case in read_sources(tmp_path / "studies")[0].cases]
    config = replace(SHORT, method="decoder", images=1)
    result = TrainingRound(config, GatePolicy(held_out_cases=1, objects_per_case=1), home).run(accepted)
    assert result.adapter is not None and result.verdict is not None and result.verdict.cases == 1
    stored = AdapterStore("vit_b", home)
    assert stored.get(result.adapter).provenance.metrics["parameters"] == 4_058_340
    assert (
        stored.folder / result.adapter / "adapter.safetensors"
    ).stat().st_size < 30e6  # the U-Net, where it names better, is 13e6
    assert list((home / "embeddings").rglob("*.safetensors"))
