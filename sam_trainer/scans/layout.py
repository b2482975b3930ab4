"""Which shapes a scene holds and which lies in which: a tree of outlines, painted in order."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from sam_trainer.scans.shapes import Outline, bent, blob, shrunk, tube

# Labels are bytes, and 0 is the background.
MAX_NODES = 120


@dataclass(frozen=True, eq=False)
class Node:
    """One shape; it shows only inside its parent (-1 is the whole scene)."""

    outline: Outline
    parent: int = -1


@dataclass
class Layout:
    """Nodes in painting order, in units of the scene's side."""

    nodes: list[Node] = field(default_factory=list)

    def add(self, outline: Outline, parent: int = -1) -> int:
        """Index of the new node."""
        if len(self.nodes) < MAX_NODES:
            self.nodes.append(Node(outline, parent))
        return len(self.nodes) - 1

    def family(self, index: int) -> list[int]:
        """The node and all that lies in it."""
        members = [index]
        for i in range(index + 1, len(self.nodes)):
            if self.nodes[i].parent in members:
                members.append(i)
        return members


def draw_layout(rng: np.random.Generator) -> Layout:
    """A random scene."""
    kinds: list[tuple[Callable[[np.random.Generator, Layout], None], float]] = [
        (_trunk, 0.34), (_lesion, 0.22), (_nested, 0.2), (_packed, 0.14), (_pair, 0.1),
    ]  # fmt: skip
    weights = np.array([weight for _, weight in kinds])
    layout = Layout()
    kinds[rng.choice(len(kinds), p=weights / weights.sum())][0](rng, layout)
    return layout


def _point(rng: np.random.Generator, low: float = 0.0, high: float = 1.0) -> Outline:
    return rng.uniform(low, high, 2)


def _organ(rng: np.random.Generator, centre: Outline, radius: float) -> Outline:
    shape = blob(rng, centre, radius, rng.uniform(0.0, 0.45))
    return bent(rng, shape, rng.uniform(0.2, 0.9)) if rng.random() < 0.35 else shape


def _fill(rng: np.random.Generator, layout: Layout, parent: int) -> None:
    """Inner structure: lumen or core, spots, vessels."""
    outline = layout.nodes[parent].outline
    centre, size = outline.mean(axis=0), float(np.ptp(outline, axis=0).mean())
    kind = rng.random()
    if kind < 0.35:
        inner = shrunk(outline, rng.uniform(0.35, 0.92), rng.normal(0, 0.03, 2) * size)
        child = layout.add(inner, parent)
        if rng.random() < 0.4:
            _fill(rng, layout, child)
    elif kind < 0.75:
        for _ in range(rng.integers(1, 6)):
            at = centre + rng.normal(0, 0.22, 2) * size
            layout.add(_organ(rng, at, size * rng.uniform(0.03, 0.2)), parent)
    else:
        for _ in range(rng.integers(1, 5)):
            at = centre + rng.normal(0, 0.25, 2) * size
            layout.add(tube(rng, at, size * rng.uniform(0.3, 1.2), size * rng.uniform(0.02, 0.12)), parent)


def _trunk(rng: np.random.Generator, layout: Layout) -> None:
    """A body with many organs, as a cross section through a trunk, limb or head."""
    body = layout.add(blob(rng, np.array([0.5, 0.5]), rng.uniform(0.36, 0.6), rng.uniform(0.0, 0.15)))
    if rng.random() < 0.6:
        wall = layout.nodes[body].outline
        body = layout.add(shrunk(wall, rng.uniform(0.8, 0.96), np.zeros(2)), body)
    for _ in range(rng.integers(3, 18)):
        radius = np.exp(rng.uniform(np.log(0.02), np.log(0.2)))
        shape = _organ(rng, 0.5 + rng.normal(0, 0.2, 2), radius)
        if rng.random() < 0.12:
            shape = tube(rng, _point(rng), rng.uniform(0.2, 0.8), rng.uniform(0.02, 0.1))
        organ = layout.add(shape, body)
        if rng.random() < 0.4:
            _fill(rng, layout, organ)


def _lesion(rng: np.random.Generator, layout: Layout) -> None:
    """One or two targets on layered tissue."""
    turn = rng.random() < 0.7
    y = 0.0
    for _ in range(rng.integers(0, 6)):
        y += rng.uniform(0.05, 0.35)
        x = np.linspace(-0.5, 1.5, 24)
        line = np.stack([x, y + np.cumsum(rng.normal(0, 0.015, 24))], axis=1)
        band = np.concatenate([line, [[1.5, 2.5], [-0.5, 2.5]]])
        layout.add(band if turn else band[:, ::-1])
    for _ in range(rng.integers(0, 8)):
        layout.add(_organ(rng, _point(rng), rng.uniform(0.01, 0.08)))
    for _ in range(rng.integers(1, 3)):
        shape = blob(rng, _point(rng, 0.3, 0.7), rng.uniform(0.08, 0.3), rng.uniform(0.05, 0.5))
        target = layout.add(shape)
        if rng.random() < 0.5:
            _fill(rng, layout, target)


def _nested(rng: np.random.Generator, layout: Layout) -> None:
    """Rings within rings: a ventricle and its wall, a disc and its cup, a bone and its marrow."""
    for _ in range(rng.integers(0, 7)):
        layout.add(_organ(rng, _point(rng), rng.uniform(0.03, 0.25)))
    outer = layout.add(blob(rng, _point(rng, 0.35, 0.65), rng.uniform(0.1, 0.3), rng.uniform(0.0, 0.2)))
    for _ in range(rng.integers(1, 4)):
        outline = layout.nodes[outer].outline
        shift = rng.normal(0, 0.04, 2) * np.ptp(outline, axis=0)
        outer = layout.add(shrunk(outline, rng.uniform(0.4, 0.93), shift), outer)
    if rng.random() < 0.5:
        _fill(rng, layout, outer)
    for _ in range(rng.integers(0, 6) if rng.random() < 0.4 else 0):
        layout.add(tube(rng, _point(rng, 0.3, 0.7), rng.uniform(0.3, 0.9), rng.uniform(0.006, 0.03)))


def _packed(rng: np.random.Generator, layout: Layout) -> None:
    """Neighbours that touch everywhere: muscles in a limb, cells, lobes."""
    parent = -1
    if rng.random() < 0.5:
        parent = layout.add(blob(rng, np.array([0.5, 0.5]), rng.uniform(0.3, 0.5), rng.uniform(0.0, 0.2)))
    count = int(rng.integers(4, 30))
    radius = 0.9 / np.sqrt(count)
    for _ in range(count):
        layout.add(_organ(rng, _point(rng), radius * rng.uniform(0.4, 1.0)), parent)


def _pair(rng: np.random.Generator, layout: Layout) -> None:
    """Two large mirrored organs in a body: lungs, kidneys, hemispheres."""
    body = layout.add(blob(rng, np.array([0.5, 0.5]), rng.uniform(0.45, 0.7), rng.uniform(0.0, 0.1)))
    half = _organ(rng, np.array([rng.uniform(0.22, 0.36), rng.uniform(0.4, 0.6)]), rng.uniform(0.08, 0.22))
    half = (half - 0.5) * np.array([1.0, rng.uniform(1.0, 1.8)]) + 0.5
    mirrored = half * np.array([-1.0, 1.0]) + np.array([1.0, 0.0]) + rng.normal(0, 0.012, half.shape[1])
    mirrored = shrunk(mirrored, rng.uniform(0.8, 1.1), np.zeros(2))
    for shape in (half, mirrored):
        organ = layout.add(shape, body)
        if rng.random() < 0.5:
            _fill(rng, layout, organ)
    for _ in range(rng.integers(0, 5)):
        layout.add(_organ(rng, np.array([0.5, rng.uniform(0.2, 0.8)]), rng.uniform(0.02, 0.12)), body)
