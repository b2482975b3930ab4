"""The `RemembersSlices` protocol: networks that follow an object through slices by what they keep of earlier ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

from sam_infer.arrays import BoolArray, Float32Array
from sam_infer.networks.backbone import Features, Hints


@dataclass(frozen=True, eq=False)
class Remembered:
    """A network's answer on one slice, and what it keeps of it."""

    logits: Float32Array  # (low_res, low_res)
    score: float  # predicted IoU; 0 where the network says that the object is not there
    state: Mapping[str, Any]  # the network's own


@dataclass(frozen=True, eq=False)
class SliceMemory:
    """What is known when a slice is looked at: prompted slices, and the last few that were followed, by index."""

    slices: int  # of the volume
    reverse: bool = False  # towards lower indices
    reach: int | None = None  # slices further back than this are forgotten; None: as many as the network uses
    prompted: Mapping[int, Remembered] = field(default_factory=dict)
    followed: Mapping[int, Remembered] = field(default_factory=dict)

    def with_followed(self, index: int, seen: Remembered, most: int) -> SliceMemory:
        """The same a slice later; of those followed no more than `most` are kept, however long the volume."""
        reach = most if self.reach is None else min(self.reach, most)
        kept = {k: one for k, one in self.followed.items() if abs(k - index) < reach}
        if reach > 0:
            kept[index] = seen
        return SliceMemory(self.slices, self.reverse, self.reach, self.prompted, kept)


@runtime_checkable
class RemembersSlices(Protocol):
    """A network with a memory; stateless, the memory is an argument."""

    most_remembered: int  # followed slices that it makes use of

    def prompted(self, features: Features, hints: Hints) -> Remembered:
        """The object that points and a box mean on a slice, seen without any memory."""
        ...

    def given(self, features: Features, mask: BoolArray) -> Remembered:
        """The object where a mask (input_size, input_size) says that it is."""
        ...

    def recalled(self, features: Features, index: int, memory: SliceMemory, hints: Hints | None = None) -> Remembered:
        """The remembered object on slice `index`; `hints` correct it: points, and the mask that they are about."""
        ...
