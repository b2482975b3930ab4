"""The measurements of a card are kept source by source, and made again only where something changed."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from sam_infer.errors import VolumeError
from sam_infer.networks.backbone import Backbone
from sam_trainer.bench.card.facts import facts_of
from sam_trainer.bench.card.measure import CardBench, sources_of

pytestmark = pytest.mark.slow  # seconds of real predictions


@pytest.fixture
def bench(network: Backbone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CardBench:
    monkeypatch.setattr("sam_trainer.bench.latency.fresh_process", lambda name: [])
    return CardBench(network, tmp_path / "card", "samlabel bench card", say=[].append)


def run(bench: CardBench, folders: list[Path]) -> list[str]:
    """What was said."""
    said: list[str] = []
    steps: list[tuple[str, int, int]] = []

    def at(*step: Any) -> None:
        steps.append(step)

    CardBench(bench.backbone, bench.folder, bench.command, bench.seed, said.append, at).run(sources_of(folders), 1, 3)
    names = [f"{folder.name}: {what}" for what in ("prompts", "clicks") for folder in folders]
    assert [step[0] for step in steps[:-1]] == names and steps[-1][0].startswith("latency: 3 visits")
    assert [step[1:] for step in steps] == [(n, len(steps)) for n in range(len(steps))]
    return said


def rows(bench: CardBench, name: str) -> list[dict[str, Any]]:
    return json.loads((bench.folder / f"{name}.json").read_text())["rows"]


def test_a_run_that_was_broken_off_goes_on_where_it_was(bench: CardBench, small_studies: Path) -> None:
    first = run(bench, [small_studies / "flat"])
    assert [line.split(" in ")[0] for line in first[:2]] == ["flat: prompts measured", "flat: clicks measured"]
    assert "box 1.000" in first[0] and "10 clicks" in first[1]
    both = run(bench, [small_studies / "flat", small_studies / "balls"])
    assert both[0].startswith("flat: prompts kept from before, box 1.000")
    assert both[1].startswith("balls: prompts measured in ")
    means = [row for row in rows(bench, "prompts") if row["source"] == "mean" and row["strategy"] == "S5"]
    assert means[0]["sources"] == 2 and {row["phase"] for row in rows(bench, "latency")} >= {"encode", "first_click"}
    alone = json.loads((bench.folder / "prompts.json").read_text())
    assert (alone["model"], alone["weights"]) == (bench.backbone.name, bench.backbone.weights_id)


def test_other_weights_other_objects_and_damaged_files_are_measured_again(
    bench: CardBench, small_studies: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "flat"
    shutil.copytree(small_studies / "flat", folder)
    run(bench, [folder])
    kept = bench.folder / "sources" / "prompts-flat.json"
    document = json.loads(kept.read_text())
    for damaged in ("{", json.dumps({**document, "of": {**document["of"], "weights": "others"}}), "[]"):
        kept.write_text(damaged)
        said = run(bench, [folder])
        assert "prompts measured" in said[0] and "clicks kept" in said[1]
    for label in (folder / "labels" / "final").iterdir():
        if label.stem.endswith("0"):
            label.unlink()
    assert "prompts measured" in run(bench, [folder])[0]


def test_two_sources_of_one_name_are_refused(small_studies: Path) -> None:
    with pytest.raises(VolumeError, match="hold a source called flat"):
        sources_of([small_studies, small_studies / "flat"])


def test_the_embedded_model_says_what_it_is() -> None:
    facts = facts_of("tiny")
    assert facts.parameters > facts.encoder_parameters > 1_000_000
    assert facts.input_size == 256 and facts.file_bytes > 1 << 20
    assert "procedural images only" in facts.section() and facts.sha256 in facts.section()
