"""`samlabel bench` from the command line: files, exit codes, sentences."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from sam_infer.models import load
from sam_infer.networks.backbone import Backbone
from sam_trainer.bench import robustness
from samlabel.commands import bench

pytestmark = pytest.mark.slow  # seconds of real predictions

RUNNER = CliRunner()
LOAD_BACKBONE = load.load_backbone


@pytest.fixture(autouse=True)
def stand_in(network: Backbone, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sam_infer.models.load.load_backbone", lambda name: network)


@pytest.mark.parametrize(
    ("name", "extra"),
    [("prompts", ["--grid", "2"]), ("clicks", ["--no-baselines"]), ("robustness", ["--repeats", "1"])],
)
def test_a_bench_writes_its_json_and_its_page(small_studies: Path, tmp_path: Path, name: str, extra: list[str]) -> None:
    out, page = tmp_path / f"{name}.json", tmp_path / "pages"
    common = ["--studies", str(small_studies), "--out", str(out), "--page", str(page), "--limit", "2", "--seed", "3"]
    common.append("--allow-changed")
    result = RUNNER.invoke(bench.app, [name, *common, *extra])
    assert result.exit_code == 0, result.output
    document: dict[str, Any] = json.loads(out.read_text())
    assert (document["seed"], document["model"], document["weights"]) == (3, "bright", "bright-1")
    assert document["complete"] is True and document["command"].startswith(f"samlabel bench {name} --studies ")
    assert " --model tiny --seed 3 --limit 2" in document["command"]
    assert not any(word in document["command"] for word in ("--resume", "--allow-changed", "None"))
    assert {path.name for path in tmp_path.iterdir()} - {"samlabel-home"} == {out.name, page.name}
    assert document["rows"][-1]["source"] == "mean"
    assert "stardist_nuclei" in {row["source"] for row in document["rows"]}
    assert document["rows"][-1]["n"] <= 4 * 3
    assert (page / f"{name}.html").is_file()


def test_a_source_can_be_kept_out_of_the_headline(small_studies: Path, tmp_path: Path) -> None:
    out = tmp_path / "clicks.json"
    arguments = ["clicks", "--studies", str(small_studies), "--separate", "balls", "--no-baselines", "--limit", "1"]
    arguments.append("--allow-changed")
    assert RUNNER.invoke(bench.app, [*arguments, "--out", str(out), "--page", str(tmp_path)]).exit_code == 0
    rows = json.loads(out.read_text())["rows"]
    assert rows[-1]["sources"] == 1


def test_one_command_measures_and_writes_the_card_of_tiny(
    small_studies: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sam_infer.models.load.load_backbone", LOAD_BACKBONE)
    monkeypatch.setattr("sam_trainer.bench.latency.fresh_process", lambda name: [])
    out = tmp_path / "card.md"
    places = ["--results", str(tmp_path / "results"), "--out", str(out)]
    folders = ["--studies", str(small_studies / "flat"), "--studies", str(small_studies / "balls")]
    arguments = [
        "card",
        "--model",
        "tiny",
        *folders,
        *places,
        "--limit",
        "1",
        "--repeats",
        "3",
        "--threads",
        "1",
        "--allow-changed",
    ]
    for words in ("balls: clicks measured in", "balls: clicks kept from before"):
        result = RUNNER.invoke(bench.app, arguments)
        assert result.exit_code == 0, result.output
        assert words in result.output
    text, data = out.read_text(), json.loads(out.with_suffix(".json").read_text())
    for section in ("The model", "First answer", "By source", "Clicks", "Good for, fails at", "Speed and memory"):
        assert f"## {section}" in text
    box = next(r for r in data["benches"]["prompts"]["rows"] if r["source"] == "balls" and r["strategy"] == "S5")
    assert "| balls | 1 | " in text and f"{box['dice']:.3f}" in text and box["dice"] > 0.7
    assert data["model"]["weights"] == data["benches"]["clicks"]["weights"]


def test_the_card_of_a_model_that_is_not_here_is_refused(tmp_path: Path) -> None:
    result = RUNNER.invoke(bench.app, ["card", "--model", "vit_b", "--out", str(tmp_path / "card.md")])
    assert result.exit_code == 1 and "vit_b has not been added" in " ".join(result.output.split())
    result = RUNNER.invoke(bench.app, ["card", "--results", str(tmp_path), "--out", str(tmp_path / "card.md")])
    assert result.exit_code == 1 and "name labelled folders with --studies" in " ".join(result.output.split())


def test_an_interrupted_bench_goes_on(small_studies: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C in the second case: --resume asks about the others only, and the file is that of an unbroken run."""
    whole, broken = tmp_path / "whole.json", tmp_path / "broken.json"
    words = ["robustness", "--studies", str(small_studies), "--repeats", "1", "--limit", "2", "--allow-changed"]
    words += ["--page", str(tmp_path / "page")]
    assert RUNNER.invoke(bench.app, [*words, "--out", str(whole)]).exit_code == 0
    asked, real = [], robustness._object

    def stopped(one: Any, seed: int, repeats: int) -> Any:
        asked.append(one.target.key)
        if len(asked) == 3:
            raise KeyboardInterrupt
        return real(one, seed, repeats)

    monkeypatch.setattr(robustness, "_object", stopped)
    result = RUNNER.invoke(bench.app, [*words, "--out", str(broken)])
    assert result.exit_code == 130 and "--resume goes on" in result.output and not broken.exists()
    before = len(asked)
    assert RUNNER.invoke(bench.app, [*words, "--out", str(broken), "--resume"]).exit_code == 0
    assert asked[0] not in asked[before:]
    told = [json.loads(path.read_text()) for path in (whole, broken)]
    for document in told:
        del document["seconds"], document["command"]
    assert told[0] == told[1]
    again = RUNNER.invoke(bench.app, [*words, "--out", str(broken), "--resume"])
    assert again.exit_code == 1 and "no interrupted run" in " ".join(again.output.split())


def test_wrong_studies_are_a_sentence_and_exit_code_1(tmp_path: Path) -> None:
    result = RUNNER.invoke(bench.app, ["prompts", "--studies", str(tmp_path / "nowhere")])
    assert result.exit_code == 1
    assert "there is no studies folder" in " ".join(result.output.split())
    assert "Traceback" not in result.output


@pytest.mark.parametrize("arguments", [["prompts", "--limit", "0"], ["nonsense"], ["clicks", "--grid", "3"]])
def test_wrong_arguments_are_exit_code_2(arguments: list[str]) -> None:
    assert RUNNER.invoke(bench.app, arguments).exit_code == 2


@pytest.mark.parametrize("name", ["prompts", "clicks", "robustness", "latency", "card"])
def test_every_command_explains_itself(name: str) -> None:
    result = RUNNER.invoke(bench.app, [name, "--help"])
    assert result.exit_code == 0
    assert "--out" in result.output
