"""The files a bench leaves behind."""

from __future__ import annotations

import json
import re
import subprocess
import time
from pathlib import Path

import pytest
from matplotlib.figure import Figure

from sam_trainer.bench.exam import Exam
from sam_trainer.bench.runs import run_clicks, run_prompts, run_robustness
from sam_trainer.errors import TrainingError
from sam_trainer.provenance import commit, require_clean
from sam_trainer.reports.page import Page
from sam_trainer.reports.record import Report, command_line, spelled


def test_the_json_carries_where_its_numbers_come_from(tmp_path: Path) -> None:
    rows = [{"source": "a", "dice": 0.5}, {"source": "mean", "dice": float("nan")}]
    Report("samlabel bench prompts", 7, rows, time.time() - 3, {"model": "tiny"}).write(tmp_path / "new" / "p.json")
    document = json.loads((tmp_path / "new" / "p.json").read_text())
    first = ["complete", "command", "commit", "machine", "versions", "seed", "seconds"]
    assert list(document) == [*first, "model", "rows"] and document["complete"] is True
    assert document["rows"] == [{"source": "a", "dice": 0.5}, {"source": "mean", "dice": None}]
    assert (document["seed"], document["model"]) == (7, "tiny")
    assert document["seconds"] >= 3
    assert {"processor", "cores", "memory_gib"} <= document["machine"].keys()
    assert {"python", "torch", "numpy"} <= document["versions"].keys()
    assert [p.name for p in (tmp_path / "new").iterdir()] == ["p.json"]


@pytest.mark.skipif(not (Path(__file__).parents[3] / ".git").exists(), reason="not a git checkout")
def test_the_json_says_its_commit() -> None:
    assert re.fullmatch(r"[0-9a-f]{40}(-changed)?", Report("", 0, [], 0.0).document()["commit"])


def test_the_command_is_written_without_the_folder_of_the_program(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["/somewhere/bin/samlabel", "bench", "prompts", "--seed", "1"])
    assert command_line() == "samlabel bench prompts --seed 1"


def test_a_command_is_spelled_with_every_value() -> None:
    options = {"seed": 0, "grid": 8, "limit": None, "separate": ("a", "b"), "held_out": 3, "fast": False, "pools": ""}
    expected = 'bench x --seed 0 --grid 8 --separate a --separate b --held-out 3 --no-fast --pools ""'
    assert spelled("bench x", options) == expected


def test_what_is_missing_and_what_was_measured_before_is_said(tmp_path: Path) -> None:
    report = Report("c", 0, [], time.time(), complete=False, measured_at="abc", seconds_before=60.0)
    document = report.document()
    assert document["complete"] is False and document["commit"] == "abc" and document["seconds"] >= 60


def git(folder: Path, *words: str) -> None:
    named = ("-c", "user.name=n", "-c", "user.email=e@example.org")
    subprocess.run(["git", *named, *words], cwd=folder, check=True, capture_output=True)


def test_a_changed_tree_is_refused_unless_somebody_wants_it(tmp_path: Path) -> None:
    git(tmp_path, "init")
    for name in ("code.py", "README.md"):
        (tmp_path / name).write_text("one")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-m", "first")
    (tmp_path / "README.md").write_text("documents change no number")
    clean = commit(tmp_path)
    assert len(clean) == 40
    require_clean(root=tmp_path)
    (tmp_path / "code.py").write_text("two")
    assert commit(tmp_path) == f"{clean}-changed"
    with pytest.raises(TrainingError, match=r"differs from its commit \(code.py\).*--allow-changed"):
        require_clean(root=tmp_path)
    require_clean(allow_changed=True, root=tmp_path)


def test_this_tree_has_a_commit() -> None:
    assert len(commit().removesuffix("-changed")) == 40 or commit() == "unknown"


def test_a_page_needs_no_other_file_and_escapes_what_it_shows(tmp_path: Path) -> None:
    page = Page("A <title>")
    page.table("Rows", [{"name": "<b>", "dice": 0.12345, "n": 3}], ("name", "dice", "n", "missing"))
    figure = Figure()
    figure.subplots().plot([0, 1])
    page.figure("curve", figure)
    written = page.write(tmp_path, "prompts").read_text()
    assert "&lt;b&gt;" in written and "A &lt;title&gt;" in written
    assert "0.123" in written
    assert "data:image/png;base64," in written and 'src="http' not in written
    assert (tmp_path / "prompts-curve.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.slow
def test_every_bench_lays_out_its_page(short_exam: Exam, tmp_path: Path) -> None:
    for name, outcome in (
        ("prompts", run_prompts(short_exam, 2)),
        ("clicks", run_clicks(short_exam)),
        ("robustness", run_robustness(short_exam, 1)),
    ):
        assert "Mean over sources" in outcome.page.write(tmp_path, name).read_text()
        assert outcome.page.figures
