"""Layout of a procedural scene: a tree of shapes, which lies in which, painted in order."""

from __future__ import annotations

from dataclasses import dataclass, field

from sam_trainer.synthetic.shapes import Outline

# Labels are bytes, and 0 is the background.
MAX_NODES = 120


@dataclass(frozen=True, eq=False)
class Node:
    """One shape, the union of its parts; it shows only inside its parent (-1 is the whole scene)."""

    parts: list[Outline]
    parent: int = -1
    alike: int | None = None  # the node whose tissue it is made of; None is a tissue of its own
    contrast: float = 1.0  # how much it differs from what it lies in, over what is usual in its scene
    rough: float | None = None  # strength of its texture over the scene's contrast; None is drawn


@dataclass
class Layout:
    """Nodes in painting order, in units of the scene's side."""

    nodes: list[Node] = field(default_factory=list)
    kind: str = "trunk"
    targets: list[int] = field(default_factory=list)  # what the scene is about; empty: anything

    def add(
        self,
        *parts: Outline,
        parent: int = -1,
        alike: int | None = None,
        contrast: float = 1.0,
        rough: float | None = None,
    ) -> int:
        """Index of the new node."""
        if len(self.nodes) < MAX_NODES:
            self.nodes.append(Node(list(parts), parent, alike, contrast, rough))
        return len(self.nodes) - 1

    def family(self, index: int) -> list[int]:
        """The node and all that lies in it."""
        members = [index]
        for i in range(index + 1, len(self.nodes)):
            if self.nodes[i].parent in members:
                members.append(i)
        return members
