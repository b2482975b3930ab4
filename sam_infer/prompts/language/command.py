"""Commands that a reader says, understood: one frozen value each, written out in one way by `str`."""

from __future__ import annotations

from dataclasses import dataclass

from sam_infer.prompts.direction import Direction

# What is meant where a reader gives no amount.
RESIZE_PERCENT, MOVE_MM, GROW_MM, SMOOTH_MM = 10.0, 5.0, 2.0, 2.0

MM, PERCENT = "mm", "%"


@dataclass(frozen=True)
class Amount:
    """So many millimetres, or percent of a length."""

    value: float
    unit: str = MM

    def __str__(self) -> str:
        return f"{self.value:g} {self.unit}"


@dataclass(frozen=True)
class Segment:
    """Find a label by its name, in a box where it should be."""

    label: str

    def __str__(self) -> str:
        return f"segment {self.label.replace('_', ' ')}"


@dataclass(frozen=True)
class ResizeBox:
    """Every edge of the box in the slice goes outwards (or inwards) by an amount; percent are of the side."""

    bigger: bool
    amount: Amount = Amount(RESIZE_PERCENT, PERCENT)

    def __str__(self) -> str:
        return f"box {'bigger' if self.bigger else 'smaller'} {self.amount}"


@dataclass(frozen=True)
class MoveBox:
    """The box goes somewhere."""

    towards: Direction
    mm: float = MOVE_MM

    def __str__(self) -> str:
        return f"box {self.towards} {self.mm:g} mm"


@dataclass(frozen=True)
class SetBox:
    """The box is there: voxels of the two stored axes of the slice, in their order."""

    corners: tuple[float, float, float, float]  # x0 y0 x1 y1

    def __str__(self) -> str:
        return f"box set {' '.join(f'{corner:g}' for corner in self.corners)}"


@dataclass(frozen=True)
class Grow:
    """The edge of the mask goes outwards (or inwards), everywhere or on one side."""

    bigger: bool
    mm: float = GROW_MM
    side: Direction | None = None

    def __str__(self) -> str:
        on = f" {self.side}" if self.side is not None else ""
        return f"{'expand' if self.bigger else 'shrink'} {self.mm:g} mm{on}"


@dataclass(frozen=True)
class Cell:
    """A part of the box: towards some sides of it, at a place of its clock, or one of nine counted as one reads."""

    towards: tuple[Direction, ...] = ()  # none: the middle
    oclock: float | None = None
    number: int | None = None

    def __str__(self) -> str:
        if self.oclock is not None:
            return f"{self.oclock:g} o'clock"
        if self.number is not None:
            return str(self.number)
        return " ".join(map(str, self.towards)) or "middle"


@dataclass(frozen=True)
class MarkRegion:
    """The object is (or is not) in a part of the box."""

    add: bool
    cell: Cell

    def __str__(self) -> str:
        return f"{'add' if self.add else 'remove'} region {self.cell}"


@dataclass(frozen=True)
class PointAt:
    """The object is (or is not) at a voxel."""

    add: bool
    voxel: tuple[int, int, int]

    def __str__(self) -> str:
        return f"{'add' if self.add else 'remove'} point {' '.join(map(str, self.voxel))}"


@dataclass(frozen=True)
class KeepLargest:
    """Only the largest part stays."""

    def __str__(self) -> str:
        return "keep largest"


@dataclass(frozen=True)
class FillHoles:
    """Holes are closed."""

    def __str__(self) -> str:
        return "fill holes"


@dataclass(frozen=True)
class Smooth:
    """The edge is smoothed by a Gaussian of so many millimetres."""

    mm: float = SMOOTH_MM

    def __str__(self) -> str:
        return f"smooth {self.mm:g} mm"


@dataclass(frozen=True)
class Candidate:
    """Another of the network's masks."""

    step: int  # 1 or -1

    def __str__(self) -> str:
        return f"{'next' if self.step > 0 else 'previous'} candidate"


@dataclass(frozen=True)
class Step:
    """Another slice, by its stored index."""

    step: int  # 1 or -1

    def __str__(self) -> str:
        return f"{'next' if self.step > 0 else 'previous'} slice"


@dataclass(frozen=True)
class Propagate:
    """Follow the object through slices, both ways or towards one side."""

    towards: Direction | None = None

    def __str__(self) -> str:
        return f"propagate {self.towards or 'both'}"


@dataclass(frozen=True)
class Wish:
    """What whoever keeps the history does: take back, do again, accept."""

    what: str  # undo, redo or accept

    def __str__(self) -> str:
        return self.what


UNDO, REDO, ACCEPT = Wish("undo"), Wish("redo"), Wish("accept")

Command = (
    Segment
    | ResizeBox
    | MoveBox
    | SetBox
    | Grow
    | MarkRegion
    | PointAt
    | KeepLargest
    | FillHoles
    | Smooth
    | Candidate
    | Step
    | Propagate
    | Wish
)
