"""Typing errors: one nearest word, or none."""

from __future__ import annotations

import pytest

from sam_infer.prompts.language.typos import errors_between, nearest_sentences, nearest_word


@pytest.mark.parametrize(
    ("one", "other", "errors"), [("liver", "liver", 0), ("livr", "liver", 1), ("lievr", "liver", 1), ("abc", "xyz", 3)]
)
def test_errors_are_counted(one: str, other: str, errors: int) -> None:
    assert errors_between(one, other) == errors == errors_between(other, one)


def test_short_words_and_ties_are_not_mended() -> None:
    assert nearest_word("fnd", {"find"}) is None and nearest_word("is", {"in"}) is None
    assert nearest_word("bigge", {"bigger", "biggs"}) is None
    assert nearest_word("propogat", {"propagate"}) == "propagate"
    assert nearest_word("12345", {"12346"}) is None


def test_the_nearest_sentences_share_words() -> None:
    assert nearest_sentences("liver", ["undo", "segment liver", "segment spleen"], 1) == ["segment liver"]
