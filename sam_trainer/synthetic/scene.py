"""A procedural scan slice with labelled objects: draw what it is, then paint it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import cv2
import numpy as np

from sam_infer.arrays import BoolArray, UInt8Array
from sam_trainer.synthetic.appearance import Look, draw_look, render, smooth_noise
from sam_trainer.synthetic.layout import Layout
from sam_trainer.synthetic.scene_layout import draw_layout
from sam_trainer.synthetic.shapes import extent, rotation

# Regions are painted at twice the resolution, so that edge pixels are mixtures as in a scanner.
OVERSAMPLING = 2

# Tissue layers reach far beyond the scene: nothing to look at as a whole.
LARGEST_ANCHOR = 2.0

# Kinds of scene that are looked at from afar: of fine structure nothing is seen otherwise.
SPREAD = ("vessels",)

# How often the camera looks at what the scene is about.
TARGETED = 0.85

# Smaller objects than this squared are not asked for: masks have a stride of four pixels.
MIN_OBJECT_PIXELS = 8


@dataclass(frozen=True, eq=False)
class Scene:
    """A drawn scene: shapes already placed in the frame (units of its side), looks, and which objects to ask for."""

    layout: Layout
    look: Look
    anchor: int  # the node the camera looks at
    aspect: tuple[float, float]  # used height and width of the frame; the rest is padding
    warp: float  # strength of a smooth deformation
    warp_seed: int


@dataclass(frozen=True, eq=False)
class Sample:
    """A rendered scene."""

    image: UInt8Array  # (S, S, 3)
    masks: UInt8Array  # (M, S, S) 0 or 1


def draw_scene(rng: np.random.Generator, kinds: Collection[str] = ()) -> Scene:
    """A random scene, seen by a camera that looks at one of its objects."""
    layout = draw_layout(rng, kinds)
    aspect = [1.0, 1.0]
    if rng.random() < 0.35:
        aspect[rng.integers(2)] = rng.uniform(0.5, 1.0)
    anchor = _aim(rng, layout, (aspect[0], aspect[1]))
    return Scene(
        layout=layout,
        anchor=anchor,
        look=draw_look(rng, layout.nodes, layout.kind),
        aspect=(aspect[0], aspect[1]),
        warp=float(rng.uniform(0.0, 0.05)) if rng.random() < 0.7 else 0.0,
        warp_seed=int(rng.integers(2**63)),
    )


def _aim(rng: np.random.Generator, layout: Layout, aspect: tuple[float, float]) -> int:
    """Turn, stretch and zoom all outlines so that one node has a drawn size and place in the frame."""
    turn = rotation(rng.normal(0, 0.5)) * np.array([rng.choice((-1.0, 1.0)), 1.0])
    turn = turn @ np.diag(np.exp(rng.normal(0, 0.12, 2)))
    frame = np.array([aspect[1], aspect[0]])
    for node in layout.nodes:
        node.parts[:] = [part @ turn for part in node.parts]
    boxes = [extent(node.parts) for node in layout.nodes]
    sizes = np.array([float((high - low).max()) for low, high in boxes])
    parents = {node.parent for node in layout.nodes}
    whole = np.array([2.0 if i in parents else 1.0 for i in range(len(sizes))])
    urge = whole * np.sqrt(sizes) * (sizes < LARGEST_ANCHOR) + 1e-9
    if layout.targets and rng.random() < TARGETED:
        urge *= np.isin(np.arange(len(sizes)), layout.targets)
    index = int(rng.choice(len(sizes), p=urge / urge.sum()))
    low, high = boxes[index]
    share = rng.uniform(0.4, 1.1) if layout.kind in SPREAD else _object_share(rng)
    zoom = share / max(float(sizes[index]), 1e-3)
    room = np.maximum(frame - share, 0.1)
    spread = rng.normal(0, 0.12, 2) if rng.random() < 0.6 else rng.uniform(-0.5, 0.5, 2)
    place = frame / 2 + room * spread
    for node in layout.nodes:
        node.parts[:] = [(part - (low + high) / 2) * zoom + place for part in node.parts]
    return index


def _object_share(rng: np.random.Generator) -> float:
    """Longest side of the looked-at object over the frame's: mostly as in a crop around it, sometimes a whole slice."""
    kind = rng.random()
    if kind < 0.5:
        return float(rng.uniform(0.25, 0.6))
    if kind < 0.72:
        return float(np.exp(rng.uniform(np.log(0.05), np.log(0.3))))
    return float(rng.uniform(0.5, 1.1))


def paint(scene: Scene, side: int) -> UInt8Array:
    """Label map (side, side): node index + 1, 0 elsewhere."""
    labels = np.zeros((side, side), np.uint8)
    for i, node in enumerate(scene.layout.nodes):
        parts = [np.clip(part * side, -20 * side, 20 * side) for part in node.parts]
        corners = extent(parts)
        low = np.clip(np.floor(corners[0]).astype(int), 0, side)
        high = np.clip(np.ceil(corners[1]).astype(int) + 1, 0, side)
        if (high <= low).any():
            continue
        stamp = np.zeros((high[1] - low[1], high[0] - low[0]), np.uint8)
        for part in parts:
            cv2.fillPoly(stamp, [np.rint((part - low) * 16).astype(np.int32)], 1, shift=4)
        window = labels[low[1] : high[1], low[0] : high[0]]
        shown = stamp > 0
        if node.parent >= 0:
            shown &= lookup(scene.layout.family(node.parent))[window]
        window[shown] = i + 1
    return _warped(scene, labels)


def lookup(nodes: list[int]) -> BoolArray:
    """Table from label to whether it belongs to `nodes`."""
    table = np.zeros(256, bool)
    table[np.asarray(nodes, int) + 1] = True
    return table


def _warped(scene: Scene, labels: UInt8Array) -> UInt8Array:
    side = len(labels)
    if scene.warp > 0:
        rng = np.random.default_rng(scene.warp_seed)
        wavelength = rng.uniform(0.15, 0.6)
        y, x = np.mgrid[:side, :side].astype(np.float32)
        strength = np.float32(scene.warp * side * wavelength / 0.6)
        dx, dy = (smooth_noise(rng, side, wavelength) * strength for _ in range(2))
        labels = cv2.remap(labels, x + dx, y + dy, cv2.INTER_NEAREST, borderMode=cv2.BORDER_REPLICATE)
    return labels


def render_scene(scene: Scene, side: int, objects: int, rng: np.random.Generator) -> Sample | None:
    """Image and up to `objects` masks (repeated to that number); None when nothing large enough is in view."""
    labels = paint(scene, side * OVERSAMPLING)
    rows, cols = (max(1, round(share * side)) for share in scene.aspect)
    masks = _pick(rng, scene, labels, (rows, cols, side), objects)
    if not masks:
        return None
    image = render(labels, scene.look, side)
    image[rows:] = 0
    image[:, cols:] = 0
    chosen = [masks[i % len(masks)] for i in range(objects)]
    return Sample(image, np.stack(chosen))


def _pick(
    rng: np.random.Generator,
    scene: Scene,
    labels: UInt8Array,
    frame: tuple[int, int, int],
    objects: int,
) -> list[UInt8Array]:
    rows, cols, side = frame
    layout = scene.layout
    seen = np.bincount(labels.ravel(), minlength=256)[1:]
    candidates = [i for i in range(len(layout.nodes)) if seen[layout.family(i)].sum() >= 16]
    # wholes are asked for more often than the parts inside them
    urge = {i: 0.9 * np.log(seen[layout.family(i)].sum()) + rng.gumbel() for i in candidates}
    candidates.sort(key=lambda i: (i != scene.anchor, -urge[i]))
    masks: list[UInt8Array] = []
    for i in candidates:
        family = layout.family(i)
        if len(family) > 1 and rng.random() < 0.12:
            family = [i]
        inside = lookup(family)[labels].astype(np.uint8) * 255
        mask = (cv2.resize(inside, (side, side), interpolation=cv2.INTER_AREA) > 127).astype(np.uint8)
        mask[rows:] = 0
        mask[:, cols:] = 0
        piece = component(rng, mask)
        if _sought(rng, piece, (rows, cols)):
            masks.append(piece)
        if len(masks) == objects:
            break
    return masks


def _sought(rng: np.random.Generator, mask: UInt8Array, used: tuple[int, int]) -> bool:
    """Whether somebody would ask for it: large enough, mostly compact, mostly not cut by the frame."""
    rows, cols = used
    area = int(mask.sum())
    if not MIN_OBJECT_PIXELS**2 <= area <= 0.92 * rows * cols:
        return False
    _, _, width, height = cv2.boundingRect(mask)
    if area < 0.4 * width * height and rng.random() < 0.3:
        return False
    cut = np.concatenate([mask[0], mask[rows - 1], mask[:, 0], mask[:, cols - 1]]).sum()
    return bool(cut <= 0.15 * len(mask) or rng.random() < 0.3)


def component(rng: np.random.Generator, mask: UInt8Array) -> UInt8Array:
    """One connected component, the larger the likelier."""
    count, numbers, stats, _ = cv2.connectedComponentsWithStats(mask, connectivity=4)
    if count <= 2:
        return mask
    areas = stats[1:, cv2.CC_STAT_AREA].astype(np.float64)
    wanted = 1 + rng.choice(count - 1, p=areas / areas.sum())
    return (numbers == wanted).astype(np.uint8)


def sample(seed: int, index: int, side: int, objects: int, kinds: Collection[str] = ()) -> Sample:
    """Scene `index` of the endless sequence that `seed` names, of some kinds or of all."""
    attempt = 0
    while True:
        rng = np.random.default_rng((seed, index, attempt))
        drawn = render_scene(draw_scene(rng, kinds), side, objects, rng)
        if drawn is not None:
            return drawn
        attempt += 1


def used(image: UInt8Array) -> UInt8Array:
    """A scene (S, S, 3) without the padding at its bottom and right."""
    rows, cols = np.flatnonzero(image.any(axis=(1, 2))), np.flatnonzero(image.any(axis=(0, 2)))
    return image[: rows[-1] + 1, : cols[-1] + 1] if len(rows) else image
