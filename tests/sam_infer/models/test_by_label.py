"""Several models: who answers which label, when they are loaded, and what is let go."""

from __future__ import annotations

from pathlib import Path

import pytest

from sam_infer.errors import ModelError
from sam_infer.models.by_label import LoadedModel, ModelsByLabel
from sam_infer.models.load import load_network
from sam_infer.models.model_table import ModelChoice, ModelTable
from sam_infer.slices.embedding_cache import EmbeddingCache
from tests.samlabel.models import loaded

WHEN = "2026-11-29T08:00:00+00:00"


def choice(label: str, model: str) -> ModelChoice:
    return ModelChoice(label, "CT", model, f"{model} is better", WHEN)


class Loads:
    """Loads models of a hundred bytes, and remembers which."""

    def __init__(self) -> None:
        self.names: list[str] = []

    def __call__(self, name: str) -> LoadedModel:
        if name == "vit_l":
            raise ModelError("vit_l has not been added", "model")
        self.names.append(name)
        return loaded(name, 100)


@pytest.fixture
def loads() -> Loads:
    return Loads()


@pytest.fixture
def models(tmp_path: Path, loads: Loads) -> ModelsByLabel:
    table = ModelTable()
    for label, model in (("liver", "vit_b"), ("cord", "vit_h"), ("vein", "tiny"), ("node", "vit_l"), ("gut", "vit_b")):
        table = table.with_choice(choice(label, model))
    table.write(tmp_path / "models.json")
    return ModelsByLabel("tiny", tmp_path / "models.json", loads, 150)


def test_a_chosen_model_answers_and_says_why(models: ModelsByLabel, loads: Loads) -> None:
    found = models.predictor(["liver"], "CT")
    assert found is not None and found.backbone.name == "vit_b" and found.model_why == "vit_b is better"
    again = models.predictor(["liver"], "CT")
    assert again is not None and again.backbone is found.backbone and loads.names == ["vit_b"]


@pytest.mark.parametrize("labels", [[], ["vein"], ["kidney"], ["liver", "cord"], ["liver", "kidney"]])
def test_the_main_model_answers_all_else(models: ModelsByLabel, labels: list[str]) -> None:
    assert models.predictor(labels, "CT") is None


def test_a_choice_is_of_one_modality(models: ModelsByLabel) -> None:
    assert models.predictor(["liver"], "MR") is None


def test_labels_of_one_model_are_answered_together(models: ModelsByLabel) -> None:
    found = models.predictor(["liver", "gut"], "CT")
    assert found is not None and found.backbone.name == "vit_b"


def test_the_least_recently_used_model_is_let_go(models: ModelsByLabel, loads: Loads) -> None:
    models.predictor(["liver"], "CT")
    models.predictor(["cord"], "CT")
    assert models.loaded == {"vit_h": 100}
    models.predictor(["liver"], "CT")
    assert loads.names == ["vit_b", "vit_h", "vit_b"] and list(models.loaded) == ["vit_b"]


def test_one_model_stays_however_large_it_is(tmp_path: Path, loads: Loads) -> None:
    ModelTable().with_choice(choice("liver", "vit_b")).write(tmp_path / "models.json")
    models = ModelsByLabel("tiny", tmp_path / "models.json", loads, 1)
    for _ in range(3):
        models.predictor(["liver"], "CT")
    assert loads.names == ["vit_b"]


def test_a_model_that_cannot_be_loaded_stops_nobody(models: ModelsByLabel) -> None:
    assert models.predictor(["node"], "CT") is None
    with pytest.raises(ModelError, match="has not been added"):
        models.named("vit_l")


def test_models_that_will_be_asked_are_loaded_before(models: ModelsByLabel, loads: Loads) -> None:
    models.load_ahead()
    assert loads.names == ["vit_h", "vit_b"]  # not the main one; what cannot be loaded is left out
    models.predictor(["liver"], "CT")
    assert loads.names == ["vit_h", "vit_b"]


def test_the_table_is_followed_and_a_damaged_one_leaves_the_main_model(models: ModelsByLabel) -> None:
    assert models.predictor(["liver"], "CT") is not None
    models.file.unlink()
    assert models.predictor(["liver"], "CT") is None
    models.file.write_text("{")
    assert models.predictor(["liver"], "CT") is None
    ModelTable().with_choice(choice("kidney", "vit_b")).write(models.file)
    assert models.predictor(["kidney"], "CT") is not None and models.predictor(["liver"], "CT") is None


def test_a_network_weighs_its_weights() -> None:
    base = load_network("tiny")
    found = LoadedModel.of(base, EmbeddingCache())
    assert found.bytes == sum(tensor.nbytes for tensor in base.weights.values()) > 10_000_000
    assert found.predictor.backbone.name == "tiny"
