"""Where something is that somebody names: the protocol of text detectors, and how a team plugs one in.

Ours is `learned_boxes.py`. Another one is a class of an installed package that names it as an entry point of the group
`samlabel.text_to_box`; it is made once, without arguments, and asked before ours. None says that it does not know.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.metadata import entry_points
from typing import Protocol

from sam_infer.imaging.volume import Volume
from sam_infer.prompts.object_prompts import Box

GROUP = "samlabel.text_to_box"


@dataclass(frozen=True)
class Query:
    """What is looked for on slices across `axis`; `index` is the slice that the reader sees, if that is known."""

    label: str
    volume: Volume
    axis: int
    index: int | None = None


@dataclass(frozen=True, eq=False)
class Located:
    """Where it is: a box around all of it, the slice to look at, and the box of it there."""

    around: Box
    on_slice: Box
    index: int
    score: float  # 0..1
    why: str


class TextToBox(Protocol):
    """Finds boxes by names."""

    def locate(self, query: Query) -> Located | None:
        """Where it is; None where this detector does not know what is meant, or does not find it."""
        ...


@cache
def plugged() -> tuple[TextToBox, ...]:
    """The detectors that a team has plugged in, by the names of their entry points."""
    found = sorted(entry_points(group=GROUP), key=lambda entry: entry.name)
    return tuple(entry.load()() for entry in found)
