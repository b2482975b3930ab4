"""Words with typing errors: the one known word that is nearest, or none."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable

# Short words are near to too many others: left and lift, in and on.
SHORTEST, LONG = 4, 7


def nearest_word(word: str, known: Collection[str]) -> str | None:
    """The only known word within one error, of a long word two; None where there is none, or several."""
    most = 0 if len(word) < SHORTEST or not word.isalpha() else 1 if len(word) < LONG else 2
    for errors in range(1, most + 1):
        found = [one for one in known if abs(len(one) - len(word)) <= errors and errors_between(one, word) == errors]
        found = [one for one in found if len(one) >= SHORTEST]
        if found:
            return found[0] if len(found) == 1 else None
    return None


def errors_between(one: str, other: str) -> int:
    """Letters left out, put in, changed, or swapped with their neighbour, from one word to another."""
    before: list[int] = []
    row = list(range(len(other) + 1))
    for i, letter in enumerate(one, 1):
        now = [i]
        for j, beside in enumerate(other, 1):
            cost = min(row[j] + 1, now[j - 1] + 1, row[j - 1] + (letter != beside))
            if i > 1 and j > 1 and letter == other[j - 2] and one[i - 2] == beside:
                cost = min(cost, before[j - 2] + 1)
            now.append(cost)
        before, row = row, now
    return row[-1]


def nearest_sentences(sentence: str, known: Iterable[str], count: int = 3) -> list[str]:
    """The known sentences that look most like one, best first."""

    def likeness(one: str) -> float:
        matcher = difflib.SequenceMatcher(None, sentence, one, autojunk=False)
        shared = set(sentence.split()) & set(one.split())
        return matcher.ratio() + 0.5 * len(shared)

    return sorted(dict.fromkeys(known), key=lambda one: (-likeness(one), one))[:count]
