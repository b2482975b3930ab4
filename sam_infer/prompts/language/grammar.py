"""Sentences to commands: words are looked up, typing errors mended, and what is left is parsed.

Nothing is guessed in silence: what no grammar knows is refused with the commands that look most like it, and a mended
word is told.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path

from lark import Lark
from lark.exceptions import LarkError

from sam_infer.errors import PromptError
from sam_infer.prompts.language.command import Command
from sam_infer.prompts.language.parsed import FIELD, as_command
from sam_infer.prompts.language.tables import SEPARATORS, folded, phrase
from sam_infer.prompts.language.typos import nearest_sentences, nearest_word
from sam_infer.prompts.language.vocabulary import Vocabulary

# Nobody says more at once, and whoever sends more is no reader.
LONGEST, MOST = 600, 50


@dataclass(frozen=True)
class Understood:
    """A command, the words that it was read from, and those that were mended."""

    command: Command
    said: str
    mended: tuple[tuple[str, str], ...] = ()  # as typed, as read


def understood(text: str, labels: Sequence[str]) -> list[Understood]:
    """The commands of a text, in order; refused as a whole where a part of it is not understood."""
    if len(text) > LONGEST:
        raise PromptError(f"text may have {LONGEST} characters, got {len(text)}", FIELD)
    words = _vocabulary(tuple(labels))
    found = [_command(sentence, words) for sentence in _sentences(_looked_up(phrase(text), words))]
    if not found:
        raise PromptError(f"text says nothing: say for example {_quoted(words.examples[:3])}", FIELD)
    if len(found) > MOST:
        raise PromptError(f"text may hold {MOST} commands, got {len(found)}", FIELD)
    return found


@lru_cache(maxsize=16)
def _vocabulary(labels: tuple[str, ...]) -> Vocabulary:
    return Vocabulary(labels)


@dataclass(frozen=True)
class _Word:
    said: str
    read: str  # canonical; empty for what says nothing, None never
    known: bool = True
    mended: str = ""


def _looked_up(tokens: Sequence[str], words: Vocabulary) -> Iterator[_Word]:
    """The longest phrases first; unknown words may have a typing error."""
    mended = [_mended(token, words) for token in tokens]
    place = 0
    while place < len(tokens):
        for length in range(min(words.longest, len(tokens) - place), 0, -1):
            said = tuple(mended[place : place + length])
            if said in words.phrases:
                typed = tokens[place : place + length]
                yield _Word(" ".join(typed), words.phrases[said], True, " ".join(said) if said != typed else "")
                place += length
                break
        else:
            token = tokens[place]
            number = token.lstrip("-").replace(".", "", 1).isdigit()
            yield _Word(
                token, token if number else "THEN" if token in SEPARATORS else "", number or token in SEPARATORS
            )
            place += 1


def _mended(token: str, words: Vocabulary) -> str:
    return token if token in words.words else nearest_word(token, words.words) or token


def _sentences(words: Iterator[_Word]) -> Iterator[list[_Word]]:
    """What stands between separators."""
    sentence: list[_Word] = []
    for word in words:
        if word.read != "THEN":
            sentence.append(word)
        elif sentence:
            yield sentence
            sentence = []
    if sentence:
        yield sentence


def _command(sentence: Sequence[_Word], words: Vocabulary) -> Understood:
    said = " ".join(word.said for word in sentence)
    unknown = [word.said for word in sentence if not word.known]
    try:
        if unknown:
            raise PromptError(f"nobody knows the word {unknown[0]!r} in {said!r}", FIELD)
        tree = _parser().parse(" ".join(word.read for word in sentence if word.read))
        command = as_command(tree, words.labels)
    except (LarkError, PromptError) as error:
        near = _quoted(nearest_sentences(said, (folded(one) for one in words.examples)))
        why = str(error) if isinstance(error, PromptError) else f"{said!r} is no command"
        raise PromptError(f"{why}: did you mean {near}?", FIELD) from None
    return Understood(command, said, tuple((word.said, word.mended) for word in sentence if word.mended))


def _quoted(sentences: Sequence[str]) -> str:
    return ", ".join(f"'{sentence}'" for sentence in sentences)


@cache
def _parser() -> Lark:
    grammar = Path(__file__).with_name("commands.lark").read_text(encoding="utf-8")
    return Lark(grammar, parser="earley", lexer="basic", maybe_placeholders=False)
