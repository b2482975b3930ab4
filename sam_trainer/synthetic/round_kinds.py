"""Scenes about smooth round objects whose edge the picture only hints at.

Readers outline a ventricle across its papillary muscles, a disc across its vessels, and a lesion where its rim fades:
the label is the smooth outline, whatever is inside.
"""

from __future__ import annotations

import numpy as np

from sam_trainer.synthetic.layout import Layout
from sam_trainer.synthetic.shapes import Outline, bent, blob, branches, patch, shrunk, tube

# How often the label reaches beyond the edge that is seen, and by how much of the size at most.
GENEROUS, GENEROSITY = 0.35, 0.14


def ventricle(rng: np.random.Generator, layout: Layout) -> None:
    """A cavity with muscles on its wall, a wall of changing thickness, and another cavity behind it."""
    _surroundings(rng, layout, 7)
    at, radius = rng.uniform(0.4, 0.6, 2), rng.uniform(0.08, 0.26)
    cavity = blob(rng, at, radius, 0.08 * rng.random(), 0.12)
    way = rng.uniform(0, 2 * np.pi)
    thick = 1 + np.exp(rng.uniform(np.log(0.1), np.log(0.9)))
    behind = at + radius * (thick + rng.uniform(0.1, 0.7)) * np.array([np.cos(way), np.sin(way)])
    other = layout.add(bent(rng, blob(rng, behind, radius * rng.uniform(0.5, 1.3), 0.15), rng.uniform(0, 1.2)))
    wall = layout.add(shrunk(cavity, thick, rng.normal(0, 0.05, 2) * radius * thick))
    blood = other if rng.random() < 0.7 else None
    hidden = rng.random() < GENEROUS
    whole = layout.add(cavity, parent=wall, alike=wall if hidden else blood)
    if hidden:
        seen = layout.add(shrunk(cavity, 1 - rng.uniform(0.02, GENEROSITY), np.zeros(2)), parent=whole, alike=blood)
    else:
        seen = whole
    _muscles(rng, layout, seen, wall)
    layout.targets += [whole, whole, whole, wall]


def optic(rng: np.random.Generator, layout: Layout) -> None:
    """A disc in a pale halo, a cup with hardly an edge in it, and a tree of vessels over everything."""
    _surroundings(rng, layout, 3)
    at, radius = rng.uniform(0.4, 0.6, 2), rng.uniform(0.07, 0.24)
    outline = blob(rng, at, radius, 0.06 * rng.random(), 0.1)
    if rng.random() < 0.6:
        halo = shrunk(outline, rng.uniform(1.03, 1.4), rng.normal(0, 0.12, 2) * radius)
        layout.add(halo, contrast=rng.uniform(0.1, 0.8))
    trees = [_tree(rng, at + rng.normal(0, 0.25, 2) * radius, radius) for _ in range(rng.integers(1, 6))]
    # the disc covers them, and the cup the disc: what crosses either is painted again as a part of it
    outside = [layout.add(*tree, contrast=1.2) for tree in trees]
    disc = layout.add(outline, contrast=rng.uniform(0.4, 1.6))
    _across(layout, disc, outside)
    share = rng.uniform(0.3, 0.97)
    inner = blob(rng, at, radius * share, 0.06 * rng.random(), 0.08)
    cup = layout.add(inner + rng.normal(0, 0.5, 2) * radius * (1 - share), parent=disc, contrast=rng.uniform(0.05, 0.9))
    for _ in range(rng.integers(0, 3)):
        pale = blob(rng, at + rng.normal(0, 0.35, 2) * radius, radius * rng.uniform(0.2, 0.6), 0.3)
        layout.add(pale, parent=cup, contrast=rng.uniform(0.1, 0.7))
    _across(layout, cup, outside)
    layout.targets += [disc, cup, cup]


def _across(layout: Layout, parent: int, outside: list[int]) -> None:
    for index in outside:
        layout.add(*layout.nodes[index].parts, parent=parent, alike=index)


def _tree(rng: np.random.Generator, start: Outline, radius: float) -> list[Outline]:
    return branches(rng, start, rng.uniform(0.3, 0.9), radius * rng.uniform(0.04, 0.25), int(rng.integers(0, 5)))


def faint(rng: np.random.Generator, layout: Layout) -> None:
    """A round object with a faint rim, and what is plain to see in it is not its edge."""
    y = rng.uniform(-0.3, 0.6)
    for _ in range(rng.integers(0, 4)):
        x = np.linspace(-3.0, 4.0, 40)
        line = np.stack([x, y + rng.normal(0, 0.2) * x + np.cumsum(rng.normal(0, 0.01, 40))], axis=1)
        layout.add(np.concatenate([line, [[4.0, 6.0], [-3.0, 6.0]]]), contrast=rng.uniform(0.2, 1.0))
        y += rng.uniform(0.1, 0.5)
    _surroundings(rng, layout, 5)
    at, radius = rng.uniform(0.35, 0.65, 2), rng.uniform(0.07, 0.3)
    outline = blob(rng, at, radius, 0.2 * rng.random() ** 2, 0.18)
    target = layout.add(outline, contrast=rng.uniform(0.05, 0.6))
    layout.targets.append(target)
    kind, inside = rng.random(), target
    if kind < 0.35:  # a core of any shape
        core = patch(rng, at, radius * rng.uniform(0.5, 0.95)) if rng.random() < 0.4 else _off(rng, outline, radius)
        layout.add(core, parent=target)
    elif kind < 0.65:  # ring in ring
        for _ in range(rng.integers(1, 5)):
            outline = _off(rng, outline, radius)
            inside = layout.add(outline, parent=inside, contrast=rng.uniform(0.1, 1.2))
            layout.targets.append(inside)
    if kind > 0.5:
        _muscles(rng, layout, target, layout.nodes[target].parent)


def _surroundings(rng: np.random.Generator, layout: Layout, most: int) -> None:
    for _ in range(rng.integers(0, most + 1)):
        at = rng.uniform(0, 1, 2)
        long = rng.random() < 0.3
        shape = tube(rng, at, rng.uniform(0.2, 0.8), rng.uniform(0.01, 0.08)) if long else None
        layout.add(blob(rng, at, rng.uniform(0.02, 0.3), 0.2) if shape is None else shape)


def _off(rng: np.random.Generator, outline: Outline, radius: float) -> Outline:
    """A smaller copy, a little beside the middle."""
    share = rng.uniform(0.5, 0.94)
    return shrunk(outline, share, rng.normal(0, 0.3, 2) * radius * (1 - share))


def _muscles(rng: np.random.Generator, layout: Layout, parent: int, wall: int) -> None:
    """What stands in a cavity from its wall, is made as the wall, and belongs to the cavity all the same."""
    outline = layout.nodes[parent].parts[0]
    centre = outline.mean(axis=0)
    size = float(np.ptp(outline, axis=0).mean())
    made = wall if rng.random() < 0.8 else None
    for foot in outline[rng.integers(0, len(outline), rng.integers(0, 5))]:
        at = centre + (foot - centre) * rng.uniform(0.5, 1.0)
        layout.add(blob(rng, at, size * rng.uniform(0.04, 0.2), 0.25), parent=parent, alike=made)
    if rng.random() < 0.35:  # a wall in folds
        for foot in outline[:: int(rng.integers(4, 12))]:
            layout.add(blob(rng, foot, size * rng.uniform(0.02, 0.09), 0.2), parent=parent, alike=made)
    if rng.random() < 0.15:  # nearly emptied: most of it looks like the wall
        layout.add(shrunk(outline, rng.uniform(0.8, 0.98), np.zeros(2)), parent=parent, alike=made)
        for _ in range(rng.integers(1, 4)):
            lumen = patch(rng, centre + rng.normal(0, 0.1, 2) * size, size * rng.uniform(0.15, 0.35))
            layout.add(lumen, parent=len(layout.nodes) - 1 if rng.random() < 0.5 else parent)
