"""The choice of models for the labels of some studies: compared when something changed, followed at the next click."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from sam_infer.audit.line import MODEL_CHOSEN
from sam_infer.audit.trail import Trail
from sam_infer.errors import ModelError
from sam_infer.job import CancelledError
from sam_infer.models.by_label import ModelsByLabel
from sam_infer.models.model_table import ModelChoice, ModelTable
from sam_infer.serving.server_state import Serving
from sam_infer.slices.embedding_cache import EmbeddingCache
from sam_infer.slices.predictor import Predictor
from sam_trainer.studies import Studies
from samlabel.config import AppConfig
from samlabel.engine import model_table_file
from samlabel.loop.model_by_label import ModelByLabel
from samlabel.loop.study_cases import StudyCases
from samlabel.offline.project import Offline  # first: it prepares the host
from tests.sam_trainer.judging.test_model_gate import NAMES, case
from tests.samlabel.conftest import Server
from tests.samlabel.models import Seeing, loaded

CONFIG = AppConfig(models=("tiny", "vit_b"))
BRIGHT, DARK = 180, 160


def serving_of(file: Path) -> Serving:
    """`tiny` sees what is bright, `vit_b` what is not."""
    besides = ModelsByLabel("tiny", file, lambda name: loaded(name, brightest=DARK), 100)
    return Serving(Predictor(Seeing("tiny", darkest=BRIGHT), EmbeddingCache()), besides=besides)


@pytest.fixture
def studies(tmp_path: Path) -> Path:
    folder = tmp_path / "studies"
    names = {str(value): name for value, name in NAMES.items()}
    cases = {case(folder, number).case.name: {"labels": names} for number in range(3)}
    (folder / "dataset.json").write_text(json.dumps({"cases": cases}))
    return folder


@pytest.fixture
def serving(studies: Path) -> Iterator[Serving]:
    found = serving_of(model_table_file(Studies.of(str(studies))))
    yield found
    found.close()


@pytest.fixture
def choice(studies: Path, monkeypatch: pytest.MonkeyPatch) -> ModelByLabel:
    monkeypatch.setattr(
        "samlabel.loop.model_by_label.weights_id_of", lambda name: f"weights of {name}"
    )  # none is added
    app = Offline(Studies.of(str(studies)))
    return ModelByLabel(StudyCases(app.store, app.studies, app.names), CONFIG)


def test_a_label_is_answered_by_the_model_that_needs_fewest_clicks(choice: ModelByLabel, serving: Serving) -> None:
    assert serving.predictor_for(["grey"], "OTHER").backbone.name == "tiny"
    assert [row.label for row in choice.compare(serving, lambda: None) if row.chosen] == ["grey"]
    grey, bright = (serving.predictor_for([label], "OTHER") for label in ("grey", "bright"))
    assert (grey.backbone.name, bright.backbone.name) == ("vit_b", "tiny")
    assert "on 3 accepted cases against tiny" in grey.model_why and not bright.model_why
    (line,) = [line for line in Trail.of().lines() if line.what == MODEL_CHOSEN]
    assert line.subject == "vit_b" and line.how.startswith("grey on OTHER: +")

    assert choice.compare(serving, lambda: None) == []  # nothing has changed
    choice.use("vit_b", "bright", "OTHER")
    assert serving.predictor_for(["bright"], "OTHER").model_why == "chosen by hand"
    assert [row.chosen for row in choice.compare(serving, lambda: None, again=True)] == [True, False]
    assert serving.predictor_for(["bright"], "OTHER").backbone.name == "tiny"


def test_a_comparison_that_was_called_off_leaves_everything(choice: ModelByLabel, serving: Serving) -> None:
    left = iter(range(3))

    def pause() -> None:
        if next(left, None) is None:
            raise CancelledError("the server ends")

    with pytest.raises(CancelledError):
        choice.compare(serving, pause)
    assert choice.table == ModelTable()
    choice.renew(serving, lambda: True)
    assert choice.table == ModelTable()
    choice.renew(serving, lambda: False)
    assert choice.table.of("grey", "OTHER") is not None
    replace(choice, config=AppConfig()).renew(serving, lambda: False)  # one model alone has no rival


@pytest.mark.parametrize(
    ("model", "label", "modality", "sentence"),
    [
        ("vit_l", "grey", "OTHER", "model must be one of tiny, vit_b, got 'vit_l'"),
        ("vit_b", "lung", "OTHER", "label must be one of bright, grey, got 'lung'"),
        ("vit_b", "grey", "film", "modality must be one of CT, MR"),
    ],
)
def test_what_nobody_has_is_not_chosen(
    choice: ModelByLabel, model: str, label: str, modality: str, sentence: str
) -> None:
    with pytest.raises(ModelError, match=sentence):
        choice.use(model, label, modality)


def test_a_click_is_answered_by_the_model_of_its_label(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    file, label = model_table_file(server.app.source), server.app.label_names.names[0]
    monkeypatch.setattr(server.app, "config", CONFIG)
    monkeypatch.setattr(server.app, "_serving", serving_of(file))
    try:
        click = {"foreground": [[20, 16, 12]], "label": label}
        before = server.click("l", **click)
        assert before.facts["model"] == "tiny" and "model_why" not in before.facts
        modality = server.app.serving.volume(server.studies / "l.nii.gz").modality
        ModelTable().with_choice(ModelChoice(label, modality, "vit_b", "saves a click", "now")).write(file)
        after = server.click("l", **click)
        assert (after.facts["model"], after.facts["model_why"]) == ("vit_b", "saves a click")
        told = server.client.get("/adapters/").json()
        assert [(one["label"], one["model"]) for one in told["by_label"]] == [(label, "vit_b")]
        file.write_text("{")
        assert server.click("l", **click).facts["model"] == "tiny"
        damaged = server.client.get("/adapters/")
        assert damaged.status_code == 409 and "is damaged: delete it" in damaged.json()["detail"]
    finally:
        server.app.serving.close()
        file.unlink(missing_ok=True)
