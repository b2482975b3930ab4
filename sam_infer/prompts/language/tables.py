"""What each language calls things: one table per language beside this file, as data; a new language is a new file."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

Phrase = tuple[str, ...]

# A number (2,5 is one as well), or a run of letters, or the one sign that is a word. A list 10,20,5 is three numbers.
_TOKENS = re.compile(r"-?\d+(?:,-?\d+){2,}|-?\d+(?:[.,]\d+)?|[^\W\d_]+|%|[;\n]")

_UMLAUTS = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue"})

SEPARATORS = (";", "\n")


@dataclass(frozen=True)
class Table:
    """One language: words of commands, what says nothing, numbers, sides, anatomy by SNOMED code, examples."""

    words: Mapping[str, tuple[Phrase, ...]]
    ignored: frozenset[str]
    numbers: Mapping[str, int]
    sides: Mapping[str, tuple[str, ...]]
    anatomy: Mapping[str, tuple[Phrase, ...]]
    examples: tuple[str, ...]


@cache
def tables() -> tuple[Table, ...]:
    """Every language that there is a table for, English first."""
    files = sorted(Path(__file__).parent.glob("*.json"), key=lambda file: (file.stem != "en", file.stem))
    return tuple(_read(file) for file in files)


def _read(file: Path) -> Table:
    told = json.loads(file.read_text(encoding="utf-8"))
    return Table(
        {name: tuple(map(phrase, said)) for name, said in told["words"].items()},
        frozenset(map(folded, told["ignored"])),
        {folded(word): number for number, word in enumerate(told["numbers"])},
        {side: tuple(map(folded, said)) for side, said in told["sides"].items()},
        {code: tuple(map(phrase, said)) for code, said in told["anatomy"].items()},
        tuple(told["examples"]),
    )


def folded(text: str) -> str:
    """Text without case, accents and typographic signs: `Größer` and `groesser` are the same."""
    plain = unicodedata.normalize("NFC", text).casefold().translate(_UMLAUTS).replace("'", " ").replace("\u2019", " ")
    apart = unicodedata.normalize("NFKD", plain)
    return "".join(sign for sign in apart if not unicodedata.combining(sign))


def phrase(text: str) -> Phrase:
    """The words, numbers and separators of a text, in order."""
    found: list[str] = []
    for token in _TOKENS.findall(folded(text)):
        found += token.split(",") if token.count(",") > 1 else [token.replace(",", ".")]
    return tuple(found)
