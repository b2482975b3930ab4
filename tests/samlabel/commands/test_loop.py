"""`samlabel score`, `next` and `loop` on a small pool, one after the other, as a project lead uses them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from sam_infer.adapters.ids import ADAPTER_FILE
from sam_infer.adapters.store import AdapterStore
from sam_infer.imaging.image_file import write_image, write_mask
from sam_infer.models.load import load_network
from sam_trainer.active.score_table import ScoreTable
from sam_trainer.studies import Studies
from sam_trainer.synthetic.lesion_patients import Patient, picture
from samlabel.commands.cli import app
from tests.sam_infer.models.test_current import adapter

pytestmark = pytest.mark.slow


@pytest.fixture
def studies(tmp_path: Path) -> Path:
    """Two labelled cases and three that are not."""
    folder = tmp_path / "studies"
    for number, name in enumerate(("done1", "done2", "wait1", "wait2", "wait3")):
        volume, mask = picture(Patient("node", (8, number), 0.3 if name == "wait3" else 1.0))
        write_image(volume, folder / f"{name}.nii.gz")
        if name.startswith("done"):
            write_mask(mask, folder / "labels" / "final" / f"{name}.nii.gz")
    labels = {"labels": {"1": "lesion"}}
    (folder / "dataset.json").write_text(json.dumps({"cases": dict.fromkeys(("done1", "done2"), labels)}))
    return folder


def run(*words: str) -> str:
    result = CliRunner().invoke(app, list(words))
    assert result.exit_code == 0, result.output
    return result.stdout


def test_score_next_and_report(studies: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.nice", lambda by: 0)  # the command is a process of its own, this one is not
    folder = ("--studies", str(studies))
    assert "no case is scored yet" in run("next", *folder)
    assert "1 cases scored" in run("score", *folder, "--most", "1")
    assert "2 cases scored, 1 were up to date" in run("score", *folder)
    assert "0 cases scored, 3 were up to date" in run("score", *folder)

    answers = run("next", *folder, "--strategy", "sam_uncertain", "--count", "9").splitlines()
    assert sorted(line.split(":")[0] for line in answers[:3]) == ["wait1", "wait2", "wait3"]
    assert answers[3] == "no case without a label is left" and "look first at slices" in answers[0]

    assert "not yet known: 0 chosen and 0 drawn cases" in run("loop", "measure", *folder)
    out = tmp_path / "report.json"
    told = run("loop", "report", *folder, "--out", str(out), "--page", str(tmp_path / "page"))
    report = json.loads(out.read_text())
    assert "not yet known" in told and report["rows"][0]["verdict"] == "not yet known" and not report["falls_back"]
    assert report["rows"][1]["table"] == "weeks" and report["rows"][1]["cases"] == 2
    assert "Does the loop pay?" in (tmp_path / "page" / "report.html").read_text()


def test_promoted_adapters_that_disagree(studies: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.nice", lambda by: 0)
    base, store, table = load_network("tiny"), AdapterStore("tiny"), ScoreTable.of(Studies.of(studies))
    for seed in (1, 2):
        store.promote(store.put(adapter(base, seed)), "test")
    (newest, other) = store.pointer().promoted
    assert "3 cases scored" in run("score", "--studies", str(studies), "--measure", "adapters")
    scored = table.all()
    assert {(one.method, one.adapter) for one in scored.values()} == {("adapters", newest)}
    assert all(one.value is not None and one.value > 0 for one in scored.values())
    (store.folder / other / ADAPTER_FILE).write_bytes(b"nothing")
    refused = CliRunner().invoke(app, ["score", "--studies", str(studies), "--measure", "adapters", "--force"])
    assert "no earlier adapter can be used" in str(refused.exception) and table.all() == scored


def test_wrong_names_are_sentences(studies: Path) -> None:
    for words, sentence in (
        (("next", "--studies", str(studies), "--strategy", "best"), "strategy must be one of sam_hybrid"),
        (("score", "--studies", str(studies), "--measure", "entropy"), "method must be one of "),
        (("score", "--studies", str(studies), "--measure", "adapters"), "of tiny there are 0: choose another method"),
        (("score", "--studies", str(studies / "nowhere")), "there is no studies folder"),
    ):
        result = CliRunner().invoke(app, list(words))
        assert result.exit_code == 1 and sentence in str(result.exception)
