"""Scenes of fine structure: branching vessels, crowds of cells, objects that differ by their texture only."""

from __future__ import annotations

import numpy as np
from scipy.spatial import Voronoi

from sam_trainer.synthetic.layout import MAX_NODES, Layout
from sam_trainer.synthetic.shapes import Outline, blob, branches, patch, shrunk


def vessel_trees(rng: np.random.Generator, layout: Layout) -> None:
    """One to three trees of vessels from one place, all of them one object, on a mottled ground."""
    if rng.random() < 0.6:
        layout.add(blob(rng, np.array([0.5, 0.5]), rng.uniform(0.5, 0.9), 0.03, 0.05), contrast=0.7)
    for _ in range(rng.integers(0, 6)):
        layout.add(blob(rng, rng.uniform(0, 1, 2), rng.uniform(0.03, 0.3), 0.2), contrast=rng.uniform(0.1, 0.6))
    root = rng.uniform(0.2, 0.8, 2)
    if rng.random() < 0.5:
        layout.add(blob(rng, root, rng.uniform(0.05, 0.14), 0.05, 0.1))
    width = np.exp(rng.uniform(np.log(0.006), np.log(0.03)))
    trees: list[Outline] = []
    for _ in range(rng.integers(1, 6)):
        trees += branches(rng, root + rng.normal(0, 0.01, 2), rng.uniform(0.3, 0.8), width, int(rng.integers(0, 8)))
    layout.targets.append(layout.add(*trees, contrast=rng.uniform(0.6, 1.6)))


def cells(rng: np.random.Generator, layout: Layout) -> None:
    """A crowd that touches everywhere: cells between membranes, fibres in their sheaths, nuclei side by side."""
    count = int(rng.integers(12, 70))
    places = rng.uniform(-0.1, 1.1, (count, 2))
    ground = layout.add(np.array([[-1.0, -1.0], [2.0, -1.0], [2.0, 2.0], [-1.0, 2.0]]))
    kind = rng.random()
    outlines = _tiles(places) if kind < 0.6 else _piled(rng, places)
    first, share = None, rng.uniform(0.8, 0.97)
    sheathed = kind < 0.25 or kind > 0.85
    for outline in outlines[: MAX_NODES // 2 - 1]:
        alike = first if rng.random() < 0.75 else None
        cell = layout.add(shrunk(outline, share, np.zeros(2)), parent=ground, alike=alike)
        first = cell if first is None else first
        layout.targets.append(cell)
        if sheathed:
            layout.targets.append(layout.add(shrunk(outline, share * rng.uniform(0.5, 0.85), np.zeros(2)), parent=cell))


def texture(rng: np.random.Generator, layout: Layout) -> None:
    """Objects of the same brightness as what they lie in, rougher or smoother."""
    ground = layout.add(blob(rng, np.array([0.5, 0.5]), rng.uniform(0.4, 0.9), 0.1), rough=rng.uniform(0, 0.8))
    for _ in range(rng.integers(1, 6)):
        at, radius = rng.uniform(0.25, 0.75, 2), rng.uniform(0.06, 0.25)
        shape = patch(rng, at, radius) if rng.random() < 0.3 else blob(rng, at, radius, 0.4 * rng.random() ** 2)
        target = layout.add(shape, parent=ground, contrast=rng.uniform(0.0, 0.35), rough=rng.uniform(0, 1.2))
        layout.targets.append(target)


def _tiles(places: Outline) -> list[Outline]:
    """The part of the plane that is nearest to each place, corners cut."""
    frame = np.array([[0.5 + dx, 0.5 + dy] for dx, dy in ((-4, 0), (4, 0), (0, -4), (0, 4), (-3, -3), (3, 3))])
    diagram = Voronoi(np.concatenate([places, frame]))
    found = []
    for region in diagram.point_region[: len(places)]:
        corners = diagram.regions[region]
        if not corners or -1 in corners:
            continue
        outline = np.clip(diagram.vertices[corners], -0.5, 1.5)
        for _ in range(2):  # Chaikin's rule
            after = np.roll(outline, -1, 0)
            outline = np.stack([0.75 * outline + 0.25 * after, 0.25 * outline + 0.75 * after], 1).reshape(-1, 2)
        found.append(outline)
    return found


def _piled(rng: np.random.Generator, places: Outline) -> list[Outline]:
    """Round cells over one another."""
    radius = 0.55 / np.sqrt(len(places))
    return [blob(rng, place, radius * rng.uniform(0.5, 1.3), 0.1 * rng.random(), 0.2) for place in places]
