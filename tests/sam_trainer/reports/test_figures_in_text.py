"""Figures between markers are those of the files."""

from __future__ import annotations

from typing import Any

import pytest

from sam_trainer.errors import TrainingError
from sam_trainer.reports.figures_in_text import figures_in, filled

FILES: dict[str, dict[str, Any]] = {
    "t.json": {
        "rows": [
            {"method": "lora", "cases": 5, "gain": 0.0234, "ci_low": 0.006, "what": "two words"},
            {"method": "lora", "cases": 10, "gain": 0.04, "ci_low": 0.03},
            {"method": "full", "cases": 5, "median_ms": 2812.0},
        ]
    }
}
GAIN = "<!-- figure: t.json method=lora cases=5 | {gain:+.3f} ({ci_low:+.3f}) -->"


def test_what_stands_between_markers_is_written_anew() -> None:
    seconds = "<!-- figure: t.json method=full | {median_ms/1000:.1f} s -->?<!-- / -->"
    text = f"One click: {GAIN}+0.5<!-- / -->, in {seconds}."
    after = filled(text, FILES.__getitem__)
    assert after == text.replace("+0.5", "+0.023 (+0.006)").replace("?", "2.8 s")
    assert filled(after, FILES.__getitem__) == after
    (first, second) = figures_in(after)
    assert (first.file, first.where, first.text) == ("t.json", {"method": "lora", "cases": "5"}, "+0.023 (+0.006)")
    assert second.wanted(FILES["t.json"]) == second.text == "2.8 s"


def test_spaces_in_a_value_are_typed_as_underscores() -> None:
    text = "<!-- figure: t.json what=two_words | {cases} -->0<!-- / -->"
    assert ">5<" in filled(text, FILES.__getitem__)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("<!-- figure: t.json method=lora | {gain} -->x<!-- / -->", "has 2 rows with method=lora"),
        ("<!-- figure: t.json method=magic | {gain} -->x<!-- / -->", "has 0 rows"),
        ("<!-- figure: t.json method=full | {gain} -->x<!-- / -->", "has no gain"),
    ],
)
def test_a_figure_that_no_single_row_has_is_refused(text: str, sentence: str) -> None:
    with pytest.raises(TrainingError, match=sentence):
        filled(text, FILES.__getitem__)


def test_half_a_marker_is_refused() -> None:
    with pytest.raises(TrainingError, match="not whole"):
        list(figures_in(f"{GAIN}+0.023"))
