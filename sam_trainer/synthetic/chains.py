"""Objects followed over a few neighbouring slices of a procedural scene: what a tracker learns from."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from sam_infer.arrays import BoolArray, Float32Array, UInt8Array
from sam_infer.networks.tracker_net import SIDE
from sam_infer.propagation.intensity_model import MOST_EVIDENCE, IntensityModel
from sam_trainer.synthetic.layout import Layout
from sam_trainer.synthetic.scene import component, draw_scene, lookup
from sam_trainer.synthetic.stack import draw_stack, render_stack

Mask = UInt8Array

# Slices after the first one.
STEPS = 3

# Side of the rendered slices.
RENDERED = 160

# Objects per scene, and how many are looked at to find them.
OBJECTS, LOOKED_AT = 4, 6

# Smallest object in pixels and largest as a share of the slice; how much of the frame's edge it may fill.
SMALLEST, LARGEST, AT_EDGE = 40, 0.6, 0.15

# Distance of the slices over the size of the first object, least and most.
SPACING = (0.015, 0.35)

# How often the first mask is not quite right.
DISTURBED = 0.4


@dataclass(frozen=True, eq=False)
class Chain:
    """One object on `STEPS` + 1 slices, as the tracker sees them (SIDE, SIDE)."""

    images: Float32Array  # (STEPS + 1, S, S) of 0..1
    first: Float32Array  # (S, S) mask on the first slice, sometimes disturbed
    masks: Float32Array  # (STEPS, S, S) coverage on the others
    evidence: Float32Array  # (STEPS, S, S) of -1..1
    valid: Float32Array  # (STEPS,) 0 where the object had ended on the slice before

    def turned(self, rng: np.random.Generator) -> Chain:
        """Mirrored and transposed at random."""
        mirror, flip, swap = rng.random(3) < 0.5

        def turn(array: Float32Array) -> Float32Array:
            array = array[..., ::-1] if mirror else array
            array = array[..., ::-1, :] if flip else array
            return np.ascontiguousarray(np.swapaxes(array, -1, -2) if swap else array, dtype=np.float32)

        return Chain(turn(self.images), turn(self.first), turn(self.masks), turn(self.evidence), self.valid)


def draw_chains(rng: np.random.Generator) -> list[Chain]:
    """A random scene's objects; none where nothing in view is worth following."""
    scene = draw_scene(rng)
    stack = draw_stack(rng, scene)
    labels = stack.labels(0.0, 2 * RENDERED)
    objects = _choose(rng, scene.layout, scene.anchor, labels)
    if not objects:
        return []
    size = float(np.sqrt(objects[0][1].sum())) / RENDERED
    step = size * np.exp(rng.uniform(*np.log(SPACING))) * rng.choice((-1, 1))
    depths = [0.0] + [float(step * (n + 1)) for n in range(STEPS)]
    maps = [labels] + [stack.labels(z, 2 * RENDERED) for z in depths[1:]]
    images = render_stack(rng, maps, depths, scene.look, RENDERED)
    found = [_chain(rng, images, _followed(maps, family, mask)) for family, mask in objects]
    return [chain for chain in found if chain is not None]


def _choose(rng: np.random.Generator, layout: Layout, anchor: int, labels: UInt8Array) -> list[tuple[list[int], Mask]]:
    """Labels and mask (R, R) of objects: the one the camera looks at, and larger ones before smaller ones."""
    seen = np.bincount(labels.ravel(), minlength=256)[1:]
    candidates = [i for i in range(len(layout.nodes)) if seen[layout.family(i)].sum() >= 240]
    urge = {i: 0.5 * np.log(seen[layout.family(i)].sum()) + rng.gumbel() for i in candidates}
    candidates.sort(key=lambda i: (i != anchor, -urge[i]))
    chosen = []
    for i in candidates[:LOOKED_AT]:
        family = layout.family(i)
        mask = component(rng, _shown(labels, family))
        cut = np.concatenate([mask[0], mask[-1], mask[:, 0], mask[:, -1]]).sum()
        if SMALLEST <= int(mask.sum()) <= LARGEST * RENDERED**2 and cut <= AT_EDGE * RENDERED:
            chosen.append((family, mask))
        if len(chosen) == OBJECTS:
            break
    return chosen


def _shown(labels: UInt8Array, family: list[int]) -> Mask:
    inside = lookup(family)[labels].astype(np.uint8) * 255
    return (cv2.resize(inside, (RENDERED, RENDERED), interpolation=cv2.INTER_AREA) > 127).astype(np.uint8)


def _followed(maps: list[UInt8Array], family: list[int], mask: Mask) -> list[Mask]:
    """The object on every slice: what hangs together with it from slice to slice."""
    masks = [mask]
    for labels in maps[1:]:
        before = masks[-1]
        if not before.any():
            masks.append(before)
            continue
        shown = _shown(labels, family)
        _, numbers = cv2.connectedComponents(shown, connectivity=8)
        near = cv2.dilate(before, np.ones((3, 3), np.uint8)) > 0
        met = np.unique(numbers[near & (shown > 0)])
        masks.append(np.isin(numbers, met[met > 0]).astype(np.uint8))
    return masks


def _chain(rng: np.random.Generator, images: Float32Array, masks: list[Mask]) -> Chain | None:
    rows, cols = np.nonzero(masks[0])
    longest = max(np.ptp(rows) + 1, np.ptp(cols) + 1)
    side = float(longest * rng.uniform(1.6, 2.6) + 4)
    y = (rows.min() + rows.max() + 1) / 2 + rng.normal(0, 0.06) * longest - side / 2
    x = (cols.min() + cols.max() + 1) / 2 + rng.normal(0, 0.06) * longest - side / 2
    smooth = cv2.INTER_AREA if side > SIDE else cv2.INTER_LINEAR
    seen = np.stack([_cut(image, y, x, side, smooth) for image in images])
    covered = np.stack([_cut(mask.astype(np.float32), y, x, side, cv2.INTER_LINEAR) for mask in masks])
    first = covered[0] > 0.5
    if first.sum() < 20:
        return None
    if rng.random() < DISTURBED:
        first = _disturbed(rng, first)
    look = IntensityModel.of(seen[0].astype(np.float64), first)
    nothing = np.zeros((SIDE, SIDE))
    evidence = [look.evidence(image) / MOST_EVIDENCE if look is not None else nothing for image in seen[1:]]
    valid = [1.0] + [float(mask.any()) for mask in masks[1:STEPS]]
    return Chain(
        seen, first.astype(np.float32), covered[1:], np.stack(evidence).astype(np.float32), np.array(valid, np.float32)
    )


def _cut(values: Float32Array, y: float, x: float, side: float, interpolation: int) -> Float32Array:
    scale = SIDE / side
    to_crop = np.array([[scale, 0, -x * scale], [0, scale, -y * scale]], np.float32)
    return cv2.warpAffine(
        values, to_crop, (SIDE, SIDE), flags=interpolation, borderMode=cv2.BORDER_CONSTANT, borderValue=0
    )


def _disturbed(rng: np.random.Generator, mask: BoolArray) -> BoolArray:
    """A mask as a network may have drawn it: bent and a little beside."""
    strength = rng.uniform(0.5, 3.0)
    bends = [
        cv2.resize(rng.standard_normal((6, 6)).astype(np.float32), (SIDE, SIDE), interpolation=cv2.INTER_CUBIC)
        * strength
        for _ in range(2)
    ]
    y, x = np.mgrid[:SIDE, :SIDE].astype(np.float32)
    from_x, from_y = (x + bends[0] + rng.normal(0, 0.8)), (y + bends[1] + rng.normal(0, 0.8))
    moved = (
        cv2.remap(mask.astype(np.float32), from_x.astype(np.float32), from_y.astype(np.float32), cv2.INTER_LINEAR) > 0.5
    )
    return np.asarray(moved if moved.sum() >= 12 else mask)
