"""The card is made of files, and says what is missing."""

from __future__ import annotations

import json
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sam_infer.errors import VolumeError
from sam_trainer.bench.card import few_cases
from sam_trainer.bench.card.facts import ModelFacts
from sam_trainer.bench.card.model_card import as_data, card, write_card
from sam_trainer.bench.card.weaknesses import Loss, Weaknesses
from sam_trainer.bench.exam import Exam
from sam_trainer.bench.runs import run_clicks, run_prompts, run_robustness
from sam_trainer.labels.cases import collect, read_sources
from sam_trainer.reports.record import Report
from sam_trainer.reports.table import ALL

pytestmark = pytest.mark.slow  # seconds of real predictions

MANIFEST = {"sha256": "ab" * 32, "parameters": 4_000_000, "stages": [{"name": "a", "minutes": 30}]}
FACTS = ModelFacts(
    name="tiny",
    title="embedded default",
    provenance="drawn here",
    licence="ours",
    weights="cd" * 32,
    sha256="ab" * 32,
    source="this package",
    parameters=4_000_000,
    encoder_parameters=3_000_000,
    file_bytes=9 << 20,
    input_size=256,
)
LATENCY = [
    {"phase": "memory", "bytes": 400 << 20},
    {"phase": "encode", "median_ms": 61.25, "p95_ms": 80.0, "n": 30},
]


@pytest.fixture(scope="module")
def measured(small_studies: Path, bright: Any) -> dict[str, dict[str, Any]]:
    network = bright()
    network.name = "tiny"
    exam = Exam(network, collect(read_sources(small_studies), 2))
    rows = {
        "prompts": run_prompts(exam, 2).rows,
        "clicks": run_clicks(exam).rows,
        "robustness": run_robustness(exam, 1).rows,
        "latency": LATENCY,
    }
    return {name: {**Report(f"samlabel bench {name}", 0, found, 0.0).document()} for name, found in rows.items()}


@pytest.fixture
def documents(measured: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """A test's own, to change as it likes."""
    return deepcopy(measured)


@pytest.fixture(autouse=True)
def stand_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sam_trainer.bench.card.model_card.embedded_manifest", lambda: MANIFEST)
    monkeypatch.setattr("sam_trainer.bench.card.model_card.facts_of", lambda name: FACTS)


def test_the_card_shows_the_numbers_of_the_files(documents: dict[str, dict[str, Any]]) -> None:
    text = card(FACTS, documents)
    box = next(r for r in documents["prompts"]["rows"] if r["source"] == "mean" and r["strategy"] == "S5")
    assert f"{box['dice']:.3f} ({box['ci_low']:.3f} to {box['ci_high']:.3f})" in text
    for words in (
        "Intended use",
        "not** a diagnostic device",
        "procedural scans only",
        "baseline: GrabCut",
        "400 MiB",
        "61.2",
        "parameters: 4000000",
        "| a | 30 |",
        "provenance: drawn here",
        "licence: ours",
        "4,000,000 parameters, 3,000,000 of them the encoder's; 9.0 MiB; input 256 x 256",
        "Good for, fails at",
        "`samlabel bench clicks`",
        "*stardist_nuclei* (not in the mean)",
        "box edges off by up to 10 %",
    ):
        assert words in text


def test_the_card_of_another_model_promises_nothing_about_its_training(documents: dict[str, dict[str, Any]]) -> None:
    text = card(replace(FACTS, name="tiny", title="x"), documents)
    assert "procedural scans only" in text
    for row in documents["clicks"]["rows"]:
        row["method"] = "mobile_sam" if row["method"] == "tiny" else row["method"]
    text = card(replace(FACTS, name="mobile_sam"), {n: d for n, d in documents.items() if n != "robustness"})
    assert "procedural scans only" not in text and "It was trained elsewhere" in text
    assert "Careless prompts" not in text


def test_the_card_is_written_from_a_folder(documents: dict[str, dict[str, Any]], tmp_path: Path) -> None:
    for name, document in documents.items():
        (tmp_path / f"{name}.json").write_text(json.dumps(document))
    write_card("tiny", tmp_path, tmp_path / "docs" / "card.md")
    assert (tmp_path / "docs" / "card.md").read_text() == card(FACTS, documents)
    data = json.loads((tmp_path / "docs" / "card.json").read_text())
    assert data["benches"].keys() == documents.keys()
    assert data["weaknesses"] == json.loads(json.dumps(as_data(FACTS, documents)["weaknesses"]))
    shown = [row["source"] for row in data["benches"]["prompts"]["rows"] if row["strategy"] == "S5"]
    assert sorted(shown) == ["balls", "flat", "mean", "stardist_nuclei"]
    assert data["model"]["licence"] == "ours" and data["weaknesses"]["worst_labels"]
    (tmp_path / "clicks.json").write_text(json.dumps({**documents["clicks"], "model": "tiny", "weights": "ef" * 32}))
    with pytest.raises(VolumeError, match=r"clicks.json was measured with tiny of weights efef.*measure again"):
        write_card("tiny", tmp_path, tmp_path / "docs" / "card.md")


def test_what_few_cases_are_worth_is_told_once_all_of_it_is_measured(
    documents: dict[str, dict[str, Any]], tmp_path: Path
) -> None:
    row = {"source": "procedural", "method": "lora", "over": "none", "cases": 1, "seeds": 3, "held_out": 20}
    gains = [row | {"measure": m, "gain": 0.5, "ci_low": 0.4, "ci_high": 0.6} for m in ("dice_1click", "dice_box")]
    gains.append(gains[0] | {"measure": "dice_semantic", "method": "lora+decoder", "over": "unet"})
    trained = {name: Report(f"samlabel bench {name}", 0, gains, 0.0).document() for name in few_cases.FILES}
    for name, document in (documents | trained).items():
        (tmp_path / f"{name}.json").write_text(json.dumps(document))
    out = tmp_path / "card.md"
    write_card("tiny", tmp_path, out)
    assert "## Learning from few cases" in out.read_text() and "`samlabel bench train-heads`" in out.read_text()
    (tmp_path / "train-heads.json").write_text(json.dumps(trained["train-heads"] | {"complete": False}))
    write_card("tiny", tmp_path, out)
    assert "few cases" not in out.read_text() and "bench train-heads" not in out.read_text()


def test_a_missing_result_names_the_command_that_makes_it(tmp_path: Path) -> None:
    with pytest.raises(VolumeError, match="samlabel bench prompts"):
        write_card("tiny", tmp_path, tmp_path / "card.md")
    (tmp_path / "prompts.json").write_text("{")
    with pytest.raises(VolumeError, match="damaged"):
        write_card("tiny", tmp_path, tmp_path / "card.md")


def test_weaknesses_are_where_a_method_without_a_network_is_better() -> None:
    def row(source: str, dice: float, **keys: object) -> dict[str, Any]:
        return {"source": source, "label": ALL, "modality": ALL, "rule": "deployable", "dice": dice, **keys}

    prompts = [
        row(source, dice, strategy=strategy)
        for source, found in {"heart": (0.82, 0.96, 0.5), "lung": (0.95, 0.80, 0.7)}.items()
        for strategy, dice in zip(("S5", "ellipse", "S2"), found, strict=True)
    ]
    prompts += [row("lung", 0.75, strategy="region_growing_s2")]
    clicks = [row("heart", 0.70, clicks=10, method="m"), row("heart", 0.74, clicks=10, method="random_walker")]
    found = Weaknesses.of(prompts, clicks, "m")
    assert found.losses == (
        Loss("heart", "box", 0.82, "ellipse", 0.96),
        Loss("lung", "one point", 0.7, "region_growing_s2", 0.75),
        Loss("heart", "after 10 clicks", 0.70, "random_walker", 0.74),
    )
    assert found.good_boxes == {"lung": 0.95} and found.poor_clicks == {"heart": 0.70}
    text = found.section()
    assert "better, box, the widest gap first: heart (box 0.820, ellipse 0.960)" in text
    assert "lung (one point 0.700, region growing 0.750)" in text
