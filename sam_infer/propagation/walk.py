"""The `Walk` protocol: how an engine answers prompted slices and follows an object away from them.

What is between which prompts, where runs meet and what a correction may change is the same for every engine: see
`segment.py`.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol

from sam_infer.imaging.slice_view import SliceView
from sam_infer.prompts.object_prompts import Prompts
from sam_infer.propagation.end_rule import EndPolicy
from sam_infer.propagation.slice_result import SliceAnswer

Answers = Mapping[int, SliceAnswer]


class Walk(Protocol):
    """One request under way, as one engine goes about it."""

    def prompted(self, view: SliceView, said: Prompts) -> SliceAnswer:
        """The object on a slice that can be answered alone."""
        ...

    def corrected(self, arrived: SliceAnswer, said: Prompts, near: Answers) -> SliceAnswer:
        """What arrived at a slice from the prompted ones `near`, given what the reader says about it there."""
        ...

    def run(
        self, start: SliceAnswer, stop: SliceAnswer | None, indices: range, policy: EndPolicy
    ) -> Iterator[SliceAnswer]:
        """The object followed from one slice over others, until it ends; `stop` lies behind the last of them."""
        ...

    def run_key(self, start: SliceAnswer, stop: SliceAnswer | None) -> Hashable:
        """Everything that decides a run besides its slices and its policy."""
        ...

    def seconds_per_slice(self) -> float | None:
        """What a slice takes on this machine, where that is worth telling a reader before."""
        ...


@dataclass(frozen=True, eq=False)
class Run:
    """What was found on slice after slice, kept so that a correction elsewhere does not compute it again."""

    answers: tuple[SliceAnswer, ...]
    asked: int  # slices that could have been answered: where there are fewer answers, the object ended

    def covers(self, slices: int) -> bool:
        """Whether a run over so many slices is the beginning of this one."""
        return len(self.answers) < self.asked or slices <= self.asked

    @property
    def weight(self) -> int:
        """Bytes."""
        return sum(answer.weight for answer in self.answers)
