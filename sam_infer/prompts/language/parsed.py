"""Parsed sentences as commands: one function per rule of the grammar."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from lark import Token, Tree

from sam_infer.errors import PromptError
from sam_infer.prompts.direction import Direction
from sam_infer.prompts.language.command import (
    ACCEPT,
    MM,
    PERCENT,
    REDO,
    UNDO,
    Amount,
    Candidate,
    Cell,
    Command,
    FillHoles,
    Grow,
    KeepLargest,
    MarkRegion,
    MoveBox,
    PointAt,
    Propagate,
    ResizeBox,
    Segment,
    SetBox,
    Smooth,
    Step,
)

FIELD = "text"

# Whole numbers of a grid of three by three, and of a clock.
CELLS, HOURS = 9, 12

Children = Sequence[Any]  # tokens, and what the rules below a rule gave


def as_command(tree: Tree[Token], labels: Sequence[str]) -> Command:
    """The command of a parsed sentence; `labels` are those that `@` and a place stand for."""
    if tree.data == "segment":
        label = next(child for child in tree.children if isinstance(child, Token) and child.type == "LABEL")
        return Segment(labels[int(label[1:])])
    command: Command = _read(tree)
    return command


def _read(node: Token | Tree[Token]) -> Any:
    return node if isinstance(node, Token) else RULES[str(node.data)]([_read(child) for child in node.children])


def _of(children: Children, kind: type) -> Any:
    """The child of a kind; None where there is none."""
    return next((child for child in children if isinstance(child, kind)), None)


def _said(children: Children, kind: str) -> bool:
    return any(isinstance(child, Token) and child.type == kind for child in children)


def _numbers(children: Children) -> list[float]:
    return [float(child) for child in children if isinstance(child, Token) and child.type == "NUMBER"]


def _resize(children: Children) -> ResizeBox:
    bigger, amount = _of(children, bool), _of(children, Amount)
    return ResizeBox(bigger) if amount is None else ResizeBox(bigger, amount)


def _move(children: Children) -> MoveBox:
    towards, length = _of(children, Direction), _of(children, Amount)
    return MoveBox(towards) if length is None else MoveBox(towards, length.value)


def _set_box(children: Children) -> SetBox:
    x0, y0, x1, y1 = _numbers(children)
    return SetBox((x0, y0, x1, y1))


def _grow(children: Children) -> Grow:
    length = _of(children, Amount)
    grow = Grow(_of(children, bool), side=_of(children, Direction))
    return grow if length is None else Grow(grow.bigger, length.value, grow.side)


def _region(children: Children) -> MarkRegion:
    return MarkRegion(_of(children, bool), _of(children, Cell))


def _cell(children: Children) -> Cell:
    numbers = _numbers(children)
    if not numbers:
        return Cell(tuple(child for child in children if isinstance(child, Direction)))
    (number,) = numbers
    clock = _said(children, "OCLOCK")
    most = HOURS if clock else CELLS
    if not (0 < number <= most and (clock or number == round(number))):
        raise PromptError(f"a region is one of 1 to {CELLS}, or 1 to {HOURS} o'clock, got {number:g}", FIELD)
    return Cell(oclock=number) if clock else Cell(number=int(number))


def _point(children: Children) -> PointAt:
    i, j, k = (round(number) for number in _numbers(children))
    return PointAt(_of(children, bool), (i, j, k))


def _mark(children: Children) -> bool:
    return _said(children, "ADD")


def _size(children: Children) -> bool:
    return _said(children, "BIGGER") or _said(children, "EXPAND")


def _keep_largest(_: Children) -> KeepLargest:
    return KeepLargest()


def _fill_holes(_: Children) -> FillHoles:
    return FillHoles()


def _smooth(children: Children) -> Smooth:
    length = _of(children, Amount)
    return Smooth() if length is None else Smooth(length.value)


def _which(children: Children) -> int:
    return 1 if _said(children, "NEXT") else -1


def _candidate(children: Children) -> Candidate:
    return Candidate(_of(children, int))


def _slice(children: Children) -> Step:
    return Step(_of(children, int))


def _propagate(children: Children) -> Propagate:
    return Propagate(_of(children, Direction))


def _undo(_: Children) -> Command:
    return UNDO


def _redo(_: Children) -> Command:
    return REDO


def _accept(_: Children) -> Command:
    return ACCEPT


def _amount(children: Children) -> Amount:
    length = _of(children, Amount)
    return length if length is not None else Amount(_positive(_numbers(children)[0]), PERCENT)


def _length(children: Children) -> Amount:
    return Amount(_positive(_numbers(children)[0] * (10.0 if _said(children, "CM") else 1.0)), MM)


def _direction(children: Children) -> Direction:
    name = str(children[-1]).lower()
    if _said(children, "IMAGE"):
        name = {"superior": "top", "inferior": "bottom"}.get(name, name)
    return Direction(name, _said(children, "IMAGE") or name in ("top", "bottom", "in", "out"))


def _positive(number: float) -> float:
    if number <= 0:
        raise PromptError(f"an amount must be above 0, got {number:g}: name the other direction instead", FIELD)
    return number


RULES: Mapping[str, Callable[[Children], Any]] = {
    "resize": _resize,
    "move": _move,
    "set_box": _set_box,
    "grow": _grow,
    "region": _region,
    "cell": _cell,
    "point": _point,
    "mark": _mark,
    "size": _size,
    "keep_largest": _keep_largest,
    "fill_holes": _fill_holes,
    "smooth": _smooth,
    "which": _which,
    "candidate": _candidate,
    "slice": _slice,
    "propagate": _propagate,
    "undo": _undo,
    "redo": _redo,
    "accept": _accept,
    "amount": _amount,
    "length": _length,
    "direction": _direction,
}
