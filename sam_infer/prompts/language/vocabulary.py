"""The words that a sentence may hold: those of the tables, and the names of labels with what people call them.

A label is known by its own name, and, where a table's anatomy has it, by what each language calls it; its side may
stand before or behind, in any of the languages. A phrase that means two labels means none.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from sam_infer.prompts.language.tables import Phrase, folded, phrase, tables


@dataclass(frozen=True)
class Vocabulary:
    """Everything that means something, where these are the labels."""

    labels: tuple[str, ...]

    @cached_property
    def phrases(self) -> dict[Phrase, str]:
        """Phrase to canonical words; a label is `@` and its place. What says nothing is an empty text."""
        found: dict[Phrase, str] = {}
        for table in tables():
            found |= {(word,): "" for word in table.ignored}
            found |= {(word,): str(number) for word, number in table.numbers.items()}
        for table in tables():
            found |= {said: name for name, every in table.words.items() for said in every}
        return found | self._labels

    @cached_property
    def words(self) -> frozenset[str]:
        """Every single word of a phrase."""
        return frozenset(word for said in self.phrases for word in said if word.isalpha())

    @cached_property
    def longest(self) -> int:
        """Words of the longest phrase."""
        return max(map(len, self.phrases))

    @cached_property
    def examples(self) -> tuple[str, ...]:
        """Sentences that are understood, one per kind of command and label."""
        names = [name.replace("_", " ") for name in self.labels]
        said = [one for table in tables() for one in table.examples]
        return tuple(one.format(label=name) for one in said for name in (names if "{label}" in one else [""]))

    @cached_property
    def _labels(self) -> dict[Phrase, str]:
        meant: dict[Phrase, set[int]] = defaultdict(set)
        for number, name in enumerate(self.labels):
            for said in called(name):
                meant[said].add(number)
        own = {phrase(name): {number} for number, name in enumerate(self.labels)}
        return {said: f"@{min(numbers)}" for said, numbers in {**meant, **own}.items() if len(numbers) == 1}


def called(name: str) -> Iterator[Phrase]:
    """What a label may be called."""
    own = phrase(name.replace("_", " ").replace("-", " "))
    yield own
    yield from _names_of(own)
    rest, side = _without_side(own)
    if side is None:
        return
    for base in (rest, *_names_of(rest)):
        for table in tables():
            for word in table.sides[side]:
                yield (word, *base)
                yield (*base, word)


def _names_of(said: Phrase) -> Sequence[Phrase]:
    """What the languages call the anatomy that a phrase names in one of them."""
    codes = {code for table in tables() for code, names in table.anatomy.items() if said in names}
    return [one for table in tables() for code in sorted(codes) for one in table.anatomy[code]]


def _without_side(said: Phrase) -> tuple[Phrase, str | None]:
    """`kidney left`, `left kidney` and `l kidney` are a kidney and its side."""
    for side in ("left", "right"):
        words = {word for table in tables() for word in table.sides[side]}
        for first, last in ((1, len(said)), (0, len(said) - 1)):
            word = said[0] if first else said[-1]
            if len(said) > 1 and folded(word) in words:
                return said[first:last], side
    return said, None
