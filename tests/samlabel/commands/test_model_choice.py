"""`samlabel models choose`, `chosen` and `use`: what they refuse, and what they print."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from sam_infer.models.model_table import ModelChoice, ModelTable
from sam_infer.weights.available import record_path
from sam_trainer.measures.paired import difference
from sam_trainer.studies import Studies
from samlabel.commands.cli import app
from samlabel.engine import model_table_file
from tests.small_studies import flat_case


def run(*words: str) -> Any:
    return CliRunner().invoke(app, ["models", *words], env={"COLUMNS": "200"})


@pytest.fixture
def studies(tmp_path: Path) -> Path:
    folder = tmp_path / "studies"
    flat_case(folder, "a", 0)
    (folder / "dataset.json").write_text(json.dumps({"cases": {"a": {"labels": {"1": "disk"}}}}))
    return folder


@pytest.fixture
def added() -> None:
    """As if MobileSAM had been added: nothing here loads it."""
    path = record_path("mobile_sam")
    path.parent.mkdir(parents=True)
    path.write_text("{}")


def test_one_model_alone_has_no_rival(studies: Path) -> None:
    for command in (["choose"], ["chosen"], ["use", "tiny", "--label", "disk", "--modality", "CT"]):
        found = run(*command, "--studies", str(studies))
        assert found.exit_code == 1 and "model auto needs at least two different models, got tiny" in str(
            found.exception
        )
    found = run("chosen", "--studies", str(studies), "--models", "tiny,vit_b")
    assert found.exit_code == 1 and "vit_b has not been added" in str(found.exception)


@pytest.mark.usefixtures("added")
def test_what_a_person_chose_is_shown(studies: Path) -> None:
    where = ("--studies", str(studies))
    assert run("chosen", *where).output == "tiny answers all other labels\n"
    found = run("use", "mobile_sam", *where, "--label", "disk", "--modality", "OTHER")
    assert found.output == "mobile_sam answers disk on OTHER\n"
    shown = run("chosen", *where, "--models", "tiny,mobile_sam").output
    assert "disk   OTHER     mobile_sam  chosen by hand" in shown
    for words, sentence in (
        (("vit_b", "--label", "disk", "--modality", "CT"), "model must be one of tiny, mobile_sam, got 'vit_b'"),
        (("tiny", "--label", "vein", "--modality", "CT"), "label must be one of disk, got 'vein'"),
        (("tiny", "--label", "disk", "--modality", "ct"), "modality must be one of CT, MR"),
    ):
        refused = run("use", *words, *where)
        assert refused.exit_code == 1 and sentence in str(refused.exception)
    (table := model_table_file(Studies.of(str(studies)))).write_text("{")
    damaged = run("chosen", *where)
    assert damaged.exit_code == 1 and "models.json is damaged: delete it" in str(damaged.exception)
    ModelTable().with_choice(ModelChoice("disk", "CT", "tiny", "because", "now")).write(table)
    assert run("chosen", *where).exit_code == 0


@pytest.mark.usefixtures("added")
def test_a_comparison_is_printed(studies: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from sam_trainer.judging.model_gate import Compared
    from samlabel.loop.model_by_label import ModelByLabel

    rows = [Compared("disk", "OTHER", "tiny", "mobile_sam", difference([2.0, 2.5, 2.1]), chosen=True)]
    told = [rows, []]
    monkeypatch.setattr(ModelByLabel, "compare", lambda *_, **__: told.pop(0))
    monkeypatch.setattr("os.nice", lambda by: 0)
    found = run("choose", "--studies", str(studies))
    assert "mobile_sam from now on" in found.output and "+2.2 clicks per object" in found.output
    found = run("choose", "--studies", str(studies))
    assert "nothing has changed since tiny, mobile_sam were compared" in found.output
