"""Neighbouring slices of one procedural scene: every shape gets a third dimension, and the scanner its noise anew.

Shapes swell and shrink as ellipsoids, run on as tubes or taper as cones, lean over, and carry along what lies in them.
Some are not on the first slice yet. Texture fades into another one over its own wavelength; bias field and window stay.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np

from sam_infer.arrays import Float32Array, Float64Array, UInt8Array
from sam_trainer.synthetic.appearance import FloatImage, Look, smooth_noise
from sam_trainer.synthetic.layout import Layout, Node
from sam_trainer.synthetic.scene import Scene, paint
from sam_trainer.synthetic.shapes import Outline, extent

# Wider shapes than this (in frames) have no ends: the trunk, its layers.
ENDLESS = 1.2

# Share of the other shapes that are tubes and cones; the rest are ellipsoids.
TUBES, CONES = 0.25, 0.15

# Share of shapes that begin somewhere beside the first slice.
LATECOMERS = 0.15

# A shape that is not on a slice lies here, far outside of the frame.
NOWHERE = np.full((3, 2), -9.0)

# Smaller than this share of its largest section nothing is left of a shape.
SMALLEST_SECTION = 0.12


@dataclass(frozen=True)
class Depth:
    """How one shape goes on away from the slice it was drawn on; lengths in frames."""

    form: str  # ellipsoid, tube, cone, endless
    middle: float  # where the shape is largest
    half: float  # from there to its end
    drawn_at: float  # where it looks as it was drawn
    lean: tuple[float, float]  # shift per depth

    def section(self, z: float) -> float:
        """Size of the section at a depth over the drawn one; 0 beyond the ends."""
        return self._size(z) / self._size(self.drawn_at)

    def _size(self, z: float) -> float:
        away = abs(z - self.middle) / self.half
        if self.form == "endless":
            return 1.0
        if away >= 1.0:
            return 0.0
        if self.form == "tube":
            return 1.0
        size = float(np.sqrt(1.0 - away**2)) if self.form == "ellipsoid" else 1.0 - 0.8 * away
        return size if size >= SMALLEST_SECTION else 0.0


@dataclass(frozen=True, eq=False)
class Stack:
    """A scene and how it goes on."""

    scene: Scene
    depths: list[Depth]
    bend: float  # smooth deformation per depth
    seed: int

    def labels(self, z: float, side: int) -> UInt8Array:
        """Label map (side, side) at a depth."""
        layout = self.scene.layout
        shifts = np.zeros((len(layout.nodes), 2))
        nodes = []
        for i, (node, depth) in enumerate(zip(layout.nodes, self.depths, strict=True)):
            shifts[i] = np.asarray(depth.lean) * (z - depth.drawn_at)
            if node.parent >= 0:
                shifts[i] += shifts[node.parent]
            nodes.append(Node(_cut(node.parts, depth.section(z), shifts[i]), node.parent, node.alike))
        labels = paint(replace(self.scene, layout=Layout(nodes, layout.kind)), side)
        return self._bent(labels, z)

    def _bent(self, labels: UInt8Array, z: float) -> UInt8Array:
        side, rng = len(labels), np.random.default_rng(self.seed)
        wavelength = rng.uniform(0.15, 0.5)
        y, x = np.mgrid[:side, :side].astype(np.float32)
        strength = np.float32(self.bend * z * side)
        dx, dy = (smooth_noise(rng, side, wavelength) * strength for _ in range(2))
        return cv2.remap(labels, x + dx, y + dy, cv2.INTER_NEAREST, borderMode=cv2.BORDER_REPLICATE)


def draw_stack(rng: np.random.Generator, scene: Scene) -> Stack:
    """A random third dimension for a scene."""
    depths = [_depth(rng, node, i == scene.anchor) for i, node in enumerate(scene.layout.nodes)]
    return Stack(scene, depths, float(rng.uniform(0, 0.25)), int(rng.integers(2**63)))


def _depth(rng: np.random.Generator, node: Node, anchor: bool) -> Depth:
    low, high = extent(node.parts)
    size = float((high - low).max())
    lean = tuple(rng.normal(0, 0.35 if rng.random() < 0.3 else 0.12, 2))
    if size > ENDLESS:
        return Depth("endless", 0.0, 1.0, 0.0, (lean[0] / 3, lean[1] / 3))
    kind = rng.random()
    form = "tube" if kind < TUBES else "cone" if kind < TUBES + CONES else "ellipsoid"
    half = 0.5 * size * float(np.exp(rng.normal(1.3 if form == "tube" else 0.4, 0.6)))
    if not anchor and rng.random() < LATECOMERS:
        middle = float(rng.choice((-1.0, 1.0)) * half * rng.uniform(1.0, 1.8))
        return Depth(form, middle, half, middle, (lean[0], lean[1]))
    near_an_end = rng.random() < 0.4
    place = rng.uniform(0.6, 0.95) * rng.choice((-1.0, 1.0)) if near_an_end else rng.uniform(-0.6, 0.6)
    return Depth(form, float(place) * half, half, 0.0, (lean[0], lean[1]))


def _cut(parts: Sequence[Outline], share: float, shift: Float64Array) -> list[Outline]:
    if share <= 0.0:
        return [NOWHERE]
    low, high = extent(list(parts))
    centre = (low + high) / 2
    return [centre + (part - centre) * share + shift for part in parts]


def render_stack(
    rng: np.random.Generator, labels: Sequence[UInt8Array], depths: Sequence[float], look: Look, side: int
) -> Float32Array:
    """Label maps (s, s) at depths as grey slices (N, side, side) of 0..1: one scanner, one window."""
    fields = [(smooth_noise(rng, side, grain), smooth_noise(rng, side, grain)) for grain in look.grain]
    veil = np.clip(smooth_noise(rng, side, 0.4) + rng.normal(0, 1), 0, 1)
    bias = np.exp(look.bias * 0.5 * smooth_noise(rng, side, 0.7)) if look.modality == "mr" else None
    grain = float(rng.uniform(0, 1.2))
    slices = []
    for one, z in zip(labels, depths, strict=True):
        image = _tissue(one, z, look, side, fields, veil)
        image = image * bias if bias is not None else image
        image = image + _noise(rng, side, look.noise, grain)
        if look.modality == "mr":
            image = np.hypot(image, _noise(rng, side, look.noise, grain))
        slices.append(_through_pixels(image, look.pixel))
    low, high = np.percentile(slices[0][::2, ::2], (rng.uniform(0, 3), rng.uniform(96, 100)))
    width = max(float(high - low), 0.05)
    low, high = low - width * rng.normal(0, 0.12), high + width * rng.normal(0, 0.15)
    shown = np.clip((np.stack(slices) - low) / max(high - low, 0.05), 0, 1).astype(np.float32)
    shown **= np.float32(np.exp(rng.normal(0, 0.25)))
    return 1 - shown if rng.random() < 0.1 else shown


def _tissue(
    labels: UInt8Array,
    z: float,
    look: Look,
    side: int,
    fields: Sequence[tuple[FloatImage, FloatImage]],
    veil: FloatImage,
) -> FloatImage:
    grey = look.levels[:, 0][labels]
    sharp = cv2.resize(grey, (side, side), interpolation=cv2.INTER_AREA)
    sharp, vague = (cv2.GaussianBlur(sharp, (0, 0), max(s * side, 0.1)) for s in look.sharpness)
    image = sharp + (vague - sharp) * veil
    small = cv2.resize(labels, (side, side), interpolation=cv2.INTER_NEAREST)
    for k, (first, second) in enumerate(fields):
        if look.texture[:, k].any():
            angle = z / look.grain[k]
            image = image + look.texture[small, k] * (np.cos(angle) * first + np.sin(angle) * second)
    return image.astype(np.float32)


def _noise(rng: np.random.Generator, side: int, strength: float, grain: float) -> FloatImage:
    field = rng.standard_normal((side, side), dtype=np.float32)
    if grain > 0.4:
        field = cv2.GaussianBlur(field, (0, 0), grain) * (1 + 2 * grain)
    return field * strength


def _through_pixels(image: FloatImage, pixel: float) -> FloatImage:
    side = len(image)
    native = int(side / pixel)
    if native >= side:
        return image
    small = cv2.resize(image, (native, native), interpolation=cv2.INTER_AREA)
    return cv2.resize(small, (side, side), interpolation=cv2.INTER_LINEAR)
