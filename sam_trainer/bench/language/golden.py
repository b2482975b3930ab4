"""The golden table: utterances, and the commands that they must become; `!` where they must be refused with a cure."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from sam_infer.errors import PromptError
from sam_infer.prompts.language.grammar import understood
from sam_trainer.reports.table import Row

LABELS = ("liver", "spleen", "kidney_left", "kidney_right", "urinary_bladder", "aorta", "tumor")

REFUSED = "!"


def golden() -> list[tuple[str, str]]:
    """Utterances and what is expected of them, in the order of the table."""
    text = Path(__file__).with_name("utterances.tsv").read_text(encoding="utf-8")
    return [(said, expected) for said, expected in (line.split("\t") for line in text.splitlines() if line)]


def read_as(utterance: str) -> str:
    """What becomes of an utterance, as the table writes it."""
    try:
        return "; ".join(str(one.command) for one in understood(utterance, LABELS))
    except PromptError:
        return REFUSED


def golden_rows() -> Iterator[Row]:
    """A row per utterance."""
    for utterance, expected in golden():
        got = read_as(utterance)
        yield {"utterance": utterance, "expected": expected, "got": got, "ok": got == expected}
