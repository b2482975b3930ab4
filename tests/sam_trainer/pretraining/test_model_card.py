"""The card is made of files, and says what is missing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from sam_infer.errors import VolumeError
from sam_trainer.bench.exam import Exam
from sam_trainer.bench.runs import run_clicks, run_prompts, run_robustness
from sam_trainer.labels.cases import collect, read_sources
from sam_trainer.pretraining.model_card import card, write_card
from sam_trainer.reports.record import Report

pytestmark = pytest.mark.slow  # seconds of real predictions

MANIFEST = {"sha256": "ab" * 32, "parameters": 4_000_000, "stages": [{"name": "a", "minutes": 30}]}
LATENCY = [
    {"phase": "memory", "bytes": 400 << 20},
    {"phase": "encode", "median_ms": 61.25, "p95_ms": 80.0, "n": 30},
]


@pytest.fixture
def documents(small_studies: Path, network: Any) -> dict[str, dict[str, Any]]:
    network.name = "tiny"
    exam = Exam(network, collect(read_sources(small_studies), 2))
    rows = {
        "prompts": run_prompts(exam, 2).rows,
        "clicks": run_clicks(exam).rows,
        "robustness": run_robustness(exam, 1).rows,
        "latency": LATENCY,
    }
    return {name: {**Report(f"samlabel bench {name}", 0, found, 0.0).document()} for name, found in rows.items()}


def test_the_card_shows_the_numbers_of_the_files(documents: dict[str, dict[str, Any]]) -> None:
    text = card(MANIFEST, documents)
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
        "thin branching",
        "*stardist_nuclei* (not in the mean)",
        "box edges off by up to 10 %",
    ):
        assert words in text


def test_the_card_is_written_from_a_folder(
    documents: dict[str, dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sam_trainer.pretraining.model_card._manifest", lambda: MANIFEST)
    for name, document in documents.items():
        (tmp_path / f"{name}.json").write_text(json.dumps(document))
    write_card(tmp_path, tmp_path / "docs" / "card.md")
    assert (tmp_path / "docs" / "card.md").read_text() == card(MANIFEST, documents)


def test_a_missing_result_names_the_command_that_makes_it(tmp_path: Path) -> None:
    with pytest.raises(VolumeError, match="samlabel bench prompts"):
        write_card(tmp_path, tmp_path / "card.md")
    (tmp_path / "prompts.json").write_text("{")
    with pytest.raises(VolumeError, match="damaged"):
        write_card(tmp_path, tmp_path / "card.md")
