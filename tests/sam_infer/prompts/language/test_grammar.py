"""Sentences to commands: the golden table, what is mended, and refusals that name a cure."""

from __future__ import annotations

import pytest

from sam_infer.errors import PromptError
from sam_infer.prompts.language.command import Segment
from sam_infer.prompts.language.grammar import LONGEST, understood
from sam_trainer.bench.language.golden import LABELS, REFUSED, golden, golden_rows


def test_the_golden_table_is_complete_and_every_row_is_read_as_it_says() -> None:
    rows = list(golden_rows())
    assert [row for row in rows if not row["ok"]] == []
    assert len(rows) >= 120 and len({row["utterance"] for row in rows}) == len(rows)
    assert {expected.split()[0] for _, expected in golden()} >= {
        *("segment", "box", "expand", "shrink", "add", "remove", "keep", "fill", "smooth", "next", "previous"),
        *("propagate", "undo", "redo", "accept"),
    }


def test_what_a_command_writes_is_understood_as_itself() -> None:
    for _, expected in golden():
        if expected != REFUSED:
            assert "; ".join(str(one.command) for one in understood(expected, LABELS)) == expected


@pytest.mark.parametrize(
    ("said", "near"),
    [
        ("segment kidney", ("segment kidney left", "segment kidney right")),
        ("liver", ("segment liver",)),
        ("frobnicate the liver", ("segment liver",)),
        ("smoothly 3", ("smooth 2 mm",)),
    ],
)
def test_what_is_not_understood_is_refused_with_the_nearest_commands(said: str, near: tuple[str, ...]) -> None:
    with pytest.raises(PromptError, match="did you mean") as refused:
        understood(said, LABELS)
    assert refused.value.field == "text"
    assert all(f"'{one}'" in str(refused.value) for one in near)


def test_a_mended_word_is_told_and_an_exact_one_is_not() -> None:
    (mended,) = understood("segmnet the livr", LABELS)
    assert mended.command == Segment("liver")
    assert mended.mended == (("segmnet", "segment"), ("livr", "liver"))
    assert understood("segment the liver", LABELS)[0].mended == ()


def test_one_part_that_is_not_understood_refuses_the_whole() -> None:
    with pytest.raises(PromptError, match="gizzard"):
        understood("expand 2 mm; segment gizzard; undo", LABELS)


def test_text_has_a_limit() -> None:
    with pytest.raises(PromptError, match="characters"):
        understood("undo " * LONGEST, LABELS)
    with pytest.raises(PromptError, match="50 commands"):
        understood("undo;" * 51, LABELS)
    with pytest.raises(PromptError, match="says nothing"):
        understood(" ; ", LABELS)
