"""Kinds of procedural scene: which shapes lie where and in which."""

from __future__ import annotations

from collections.abc import Callable, Collection

import numpy as np

from sam_trainer.synthetic.fine_kinds import cells, texture, vessel_trees
from sam_trainer.synthetic.layout import Layout
from sam_trainer.synthetic.round_kinds import faint, optic, ventricle
from sam_trainer.synthetic.shapes import Outline, bent, blob, mirrored, patch, shrunk, tube


def draw_layout(rng: np.random.Generator, kinds: Collection[str] = ()) -> Layout:
    """A random scene of some kinds; without any named, of all of them."""
    names = [name for name in _KINDS if not kinds or name in kinds]
    weights = np.array([_KINDS[name][1] for name in names])
    layout = Layout(kind=names[rng.choice(len(names), p=weights / weights.sum())])
    _KINDS[layout.kind][0](rng, layout)
    return layout


def _point(rng: np.random.Generator, low: float = 0.0, high: float = 1.0) -> Outline:
    return rng.uniform(low, high, 2)


def _organ(rng: np.random.Generator, centre: Outline, radius: float) -> Outline:
    """Mostly smooth and round, as most things are that people outline; every fourth one is a crescent."""
    kind = rng.random()
    if kind < 0.14:
        return patch(rng, centre, radius)
    shape = blob(rng, centre, radius, 0.4 * rng.random() ** 2)
    return bent(rng, shape, rng.uniform(0.2, 2.0)) if kind < 0.38 else shape


def _lobed(rng: np.random.Generator, centre: Outline, radius: float) -> list[Outline]:
    """A trunk with processes, sometimes symmetric: vertebrae, joined lobes."""
    parts = [blob(rng, centre, radius * 0.6, 0.1)]
    twin = rng.random() < 0.6
    for _ in range(rng.integers(1, 4)):
        angle = rng.uniform(0, 2 * np.pi)
        at = centre + 0.55 * radius * np.array([np.cos(angle), np.sin(angle)])
        arm = blob(rng, at, radius * rng.uniform(0.15, 0.5), 0.15)
        if rng.random() < 0.5:
            arm = tube(rng, at, radius * rng.uniform(0.4, 1.0), radius * rng.uniform(0.12, 0.35))
        parts += [arm, mirrored(arm, float(centre[0]))] if twin else [arm]
    return parts


def _fill(rng: np.random.Generator, layout: Layout, parent: int) -> None:
    """Inner structure: a lumen or core, spots, vessels, or bites from the wall.

    Bites that look like what lies outside belong to the object all the same, as papillary muscles belong to a
    ventricle: readers outline the smooth shape.
    """
    outline = layout.nodes[parent].parts[0]
    centre, size = outline.mean(axis=0), float(np.ptp(outline, axis=0).mean())
    around = layout.nodes[parent].parent if rng.random() < 0.35 else None
    kind = rng.random()
    if kind < 0.3:
        inner = shrunk(outline, rng.uniform(0.35, 0.93), rng.normal(0, 0.03, 2) * size)
        child = layout.add(inner, parent=parent)
        if rng.random() < 0.4:
            _fill(rng, layout, child)
    elif kind < 0.5:
        for _ in range(rng.integers(1, 6)):
            at = centre + rng.normal(0, 0.22, 2) * size
            layout.add(_organ(rng, at, size * rng.uniform(0.03, 0.2)), parent=parent)
    elif kind < 0.8:
        for at in outline[rng.integers(0, len(outline), rng.integers(1, 6))]:
            layout.add(_organ(rng, at, size * rng.uniform(0.05, 0.18)), parent=parent, alike=around)
    else:
        for _ in range(rng.integers(1, 6)):
            at = centre + rng.normal(0, 0.3, 2) * size
            band = tube(rng, at, size * rng.uniform(0.3, 1.2), size * rng.uniform(0.02, 0.1))
            layout.add(band, parent=parent, alike=around)


def _clutter(rng: np.random.Generator, layout: Layout, parent: int) -> None:
    """Small vessels, fat planes and nodes between the organs."""
    for _ in range(rng.integers(0, 14)):
        if rng.random() < 0.6:
            layout.add(blob(rng, _point(rng), rng.uniform(0.006, 0.03), 0.1), parent=parent)
        else:
            layout.add(tube(rng, _point(rng), rng.uniform(0.1, 0.5), rng.uniform(0.005, 0.025)), parent=parent)


def _trunk(rng: np.random.Generator, layout: Layout) -> None:
    """A body with many organs, as a cross section through a trunk, limb or head."""
    wall = blob(rng, np.array([0.5, 0.5]), rng.uniform(0.38, 0.6), rng.uniform(0.0, 0.12))
    body = layout.add(wall)
    for _ in range(rng.integers(0, 3)):
        wall = shrunk(wall, rng.uniform(0.8, 0.96), np.zeros(2))
        body = layout.add(wall, parent=body)
    _clutter(rng, layout, body)
    for _ in range(rng.integers(3, 16)):
        radius = np.exp(rng.uniform(np.log(0.025), np.log(0.22)))
        at = 0.5 + rng.normal(0, 0.2, 2)
        kind = rng.random()
        if kind < 0.2:
            organ = layout.add(*_lobed(rng, at, radius), parent=body)
        elif kind < 0.3:
            organ = layout.add(tube(rng, at, rng.uniform(0.2, 0.8), rng.uniform(0.02, 0.1)), parent=body)
        else:
            organ = layout.add(_organ(rng, at, radius), parent=body)
        if rng.random() < 0.35:
            _fill(rng, layout, organ)


def _lesion(rng: np.random.Generator, layout: Layout) -> None:
    """One or two targets on layered tissue."""
    y = 0.0
    for _ in range(rng.integers(0, 6)):
        y += rng.uniform(0.05, 0.35)
        x = np.linspace(-3.0, 4.0, 60)
        line = np.stack([x, y + np.cumsum(rng.normal(0, 0.015, 60))], axis=1)
        layout.add(np.concatenate([line, [[4.0, 6.0], [-3.0, 6.0]]]))
    _clutter(rng, layout, -1)
    for _ in range(rng.integers(1, 3)):
        at, radius = _point(rng, 0.3, 0.7), rng.uniform(0.08, 0.3)
        irregular = rng.random() < 0.15
        shape = patch(rng, at, radius) if irregular else blob(rng, at, radius, 0.4 * rng.random() ** 1.5)
        target = layout.add(shape)
        if rng.random() < 0.5:
            _fill(rng, layout, target)


def _nested(rng: np.random.Generator, layout: Layout) -> None:
    """Rings within rings: a ventricle and its wall, a disc and its cup, a bone and its marrow."""
    for _ in range(rng.integers(0, 8)):
        layout.add(_organ(rng, _point(rng), rng.uniform(0.03, 0.3)))
    outer = layout.add(blob(rng, _point(rng, 0.35, 0.65), rng.uniform(0.1, 0.3), rng.uniform(0.0, 0.15)))
    for _ in range(rng.integers(1, 4)):
        outline = layout.nodes[outer].parts[0]
        shift = rng.normal(0, 0.04, 2) * np.ptp(outline, axis=0)
        outer = layout.add(shrunk(outline, rng.uniform(0.4, 0.93), shift), parent=outer)
    if rng.random() < 0.65:
        _fill(rng, layout, outer)


def _fundus(rng: np.random.Generator, layout: Layout) -> None:
    """A disc with a cup and vessels running over both, which belong to what they cross."""
    outline = blob(rng, _point(rng, 0.35, 0.65), rng.uniform(0.06, 0.25), rng.uniform(0.0, 0.08))
    inner = shrunk(outline, rng.uniform(0.3, 0.85), rng.normal(0, 0.01, 2))
    centre = outline.mean(axis=0)
    vessels = [
        tube(rng, centre + rng.normal(0, 0.03, 2), rng.uniform(0.3, 0.8), rng.uniform(0.006, 0.03))
        for _ in range(rng.integers(2, 9))
    ]
    outside = [layout.add(vessel) for vessel in vessels]
    parent = -1
    for shape in (outline, inner):  # each covers the vessels behind it; those before it are painted as a part of it
        parent = layout.add(shape, parent=parent)
        for vessel, same in zip(vessels, outside, strict=True):
            layout.add(vessel, parent=parent, alike=same)


def _packed(rng: np.random.Generator, layout: Layout) -> None:
    """Neighbours that touch everywhere: muscles in a limb, cells, lobes."""
    parent = -1
    if rng.random() < 0.5:
        parent = layout.add(blob(rng, np.array([0.5, 0.5]), rng.uniform(0.3, 0.5), rng.uniform(0.0, 0.2)))
    count = int(rng.integers(4, 30))
    radius = 0.9 / np.sqrt(count)
    for _ in range(count):
        layout.add(_organ(rng, _point(rng), radius * rng.uniform(0.4, 1.0)), parent=parent)


def _pair(rng: np.random.Generator, layout: Layout) -> None:
    """Two large mirrored organs in a body: lungs, kidneys, hemispheres."""
    body = layout.add(blob(rng, np.array([0.5, 0.5]), rng.uniform(0.45, 0.7), rng.uniform(0.0, 0.1)))
    centre = np.array([rng.uniform(0.22, 0.36), rng.uniform(0.4, 0.6)])
    half = _organ(rng, centre, rng.uniform(0.08, 0.22))
    half = (half - 0.5) * np.array([1.0, rng.uniform(1.0, 1.8)]) + 0.5
    other = shrunk(mirrored(half, 0.5), rng.uniform(0.8, 1.1), rng.normal(0, 0.015, 2))
    for shape in (half, other):
        organ = layout.add(shape, parent=body)
        if rng.random() < 0.4:
            _fill(rng, layout, organ)
    for _ in range(rng.integers(0, 5)):
        layout.add(_organ(rng, np.array([0.5, rng.uniform(0.2, 0.8)]), rng.uniform(0.02, 0.12)), parent=body)
    _clutter(rng, layout, body)


# What each kind is drawn by, and how often.
_KINDS: dict[str, tuple[Callable[[np.random.Generator, Layout], None], float]] = {
    "trunk": (_trunk, 0.34),
    "lesion": (_lesion, 0.22),
    "nested": (_nested, 0.16),
    "packed": (_packed, 0.1),
    "pair": (_pair, 0.12),
    "fundus": (_fundus, 0.06),
    "ventricle": (ventricle, 0.16),
    "optic": (optic, 0.14),
    "faint": (faint, 0.16),
    "vessels": (vessel_trees, 0.12),
    "cells": (cells, 0.08),
    "texture": (texture, 0.06),
}
