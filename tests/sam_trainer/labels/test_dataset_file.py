"""Tags of a studies folder: beside a case or for all of them, checked, and before what the image's own file says."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sam_infer.errors import VolumeError
from sam_infer.imaging.image_file import read_image
from sam_infer.imaging.volume import Tags
from sam_trainer.labels.cases import case_tags, read_sources
from sam_trainer.labels.dataset_file import tags_of_image
from sam_trainer.labels.round import AcceptedLabel, open_round, read_round
from tests.small_studies import flat_case


def studies(folder: Path, described: Any) -> Path:
    """A case `a`, and what is said of it."""
    flat_case(folder, "a", 0)
    (folder / "dataset.json").write_text(json.dumps(described))
    return folder


def test_a_case_has_the_tags_that_stand_beside_it_or_at_the_top(tmp_path: Path) -> None:
    folder = studies(tmp_path, {"domain": "North  Site", "view": "lax", "cases": {"a": {"view": "SAX"}}})
    (case,) = read_sources(folder)[0].cases
    assert case.tags == Tags("north site", "sax")
    volume = read_image(case.image)
    assert tags_of_image(case.image, volume) == case.tags
    scanned = replace(volume, tags=Tags("maker model", "ap"))
    assert case_tags(case, scanned) == tags_of_image(case.image, scanned) == case.tags
    (folder / "dataset.json").unlink()
    assert tags_of_image(case.image, scanned) == scanned.tags
    assert case_tags(read_sources(folder)[0].cases[0], scanned) == scanned.tags


def test_what_is_said_anew_counts_from_the_next_question_on(tmp_path: Path) -> None:
    folder = studies(tmp_path, {"domain": "one"})
    volume = read_image(folder / "a.png")
    assert tags_of_image(folder / "a.png", volume).domain == "one"
    (folder / "dataset.json").write_text(json.dumps({"domain": "another"}))
    assert tags_of_image(folder / "a.png", volume).domain == "another"


@pytest.mark.parametrize(
    ("described", "sentence"),
    [
        (
            {"cases": {"a": {"domain": 3}}},
            "dataset.json: the domain of a must be a text of at most 130 letters, got '3'",
        ),
        ({"cases": {"a": {"view": ["sax"]}}}, "the view of a must be a text"),
        ({"domain": None}, "the domain of a must be a text .* got 'None'"),
        ({"domain": "x" * 131}, "the domain of a must be a text"),
        ({"cases": {"a": "north"}}, "what it says of a must be an object"),
    ],
)
def test_tags_that_are_no_words_are_refused(tmp_path: Path, described: Any, sentence: str) -> None:
    folder = studies(tmp_path, described)
    with pytest.raises(VolumeError, match=sentence):
        read_sources(folder)
    with pytest.raises(VolumeError, match=sentence):
        tags_of_image(folder / "a.png", read_image(folder / "a.png"))


def test_a_frozen_round_keeps_the_tags(tmp_path: Path) -> None:
    folder = studies(tmp_path / "studies", {"domain": "north", "cases": {}})
    cases = read_sources(folder)[0].cases
    made = open_round([AcceptedLabel(case) for case in cases], tmp_path / "round")
    assert read_round(tmp_path / "round").cases[0].case.tags == made.cases[0].case.tags == Tags("north")
