"""Scanner appearance of procedural scenes: grey levels, textures, blur, noise, shadows."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from sam_infer.arrays import Float32Array, UInt8Array
from sam_trainer.synthetic.layout import Node

FloatImage = Float32Array

MODALITIES = ("ct", "mr", "us", "xray", "rgb", "plain")

# How often each kind of scene is seen by each modality.
SHARES = {
    "trunk": (0.4, 0.34, 0.08, 0.03, 0.05, 0.1),
    "lesion": (0.12, 0.14, 0.34, 0.04, 0.28, 0.08),
    "nested": (0.2, 0.4, 0.08, 0.04, 0.18, 0.1),
    "packed": (0.3, 0.3, 0.12, 0.06, 0.12, 0.1),
    "pair": (0.24, 0.24, 0.02, 0.4, 0.04, 0.06),
    "fundus": (0.08, 0.08, 0.04, 0.04, 0.7, 0.06),
    "ventricle": (0.14, 0.6, 0.12, 0.02, 0.04, 0.08),
    "optic": (0.04, 0.1, 0.04, 0.02, 0.74, 0.06),
    "faint": (0.22, 0.22, 0.16, 0.04, 0.28, 0.08),
    "vessels": (0.12, 0.14, 0.02, 0.12, 0.54, 0.06),
    "cells": (0.06, 0.08, 0.04, 0.1, 0.32, 0.4),
    "texture": (0.24, 0.24, 0.2, 0.06, 0.16, 0.1),
}


@dataclass(frozen=True, eq=False)
class Look:
    """Everything random about an appearance; `seed` feeds the noise fields."""

    modality: str
    levels: Float32Array  # (labels, 3) intensity of each label, 0..1
    texture: Float32Array  # (labels, 2) amplitude of two texture fields
    grain: tuple[float, float]  # finest wavelength of the two fields, in shares of the side
    sharpness: tuple[float, float]  # blur of the sharp and of the vague edges, in shares of the side
    noise: float
    bias: float
    pixel: float  # side of a native pixel over side of a shown one
    seed: int


def draw_look(rng: np.random.Generator, nodes: list[Node], kind: str) -> Look:
    """A random appearance of a kind of scene for its nodes (label i + 1 is node i)."""
    modality = str(rng.choice(MODALITIES, p=SHARES[kind]))
    labels = len(nodes) + 1
    levels = np.zeros((labels, 3), np.float32)
    levels[0] = rng.uniform(0, 1) if rng.random() < 0.5 else rng.uniform(0, 0.15)
    if modality == "rgb":
        # skin, mucosa and retina are reddish; some scenes have any colour
        tint = (1.0, rng.uniform(0.4, 1.0), rng.uniform(0.2, 0.9)) if rng.random() < 0.7 else rng.uniform(0.2, 1.0, 3)
        levels[0] = rng.uniform(0.4, 1.0) * np.asarray(tint)
    contrast = np.exp(rng.uniform(np.log(0.07), np.log(0.4)))
    for i, node in enumerate(nodes):
        step = node.contrast * contrast * np.exp(rng.normal(0, 0.6)) * rng.choice((-1.0, 1.0))
        if rng.random() < 0.1:
            step *= 0.3  # hardly to be told from its surroundings
        colour = step * np.ones(3) if modality != "rgb" else step * (1 + rng.normal(0, 0.5, 3))
        base = levels[node.parent + 1]
        if (base + colour).min() < -0.05 or (base + colour).max() > 1.05:
            colour = -colour
        levels[i + 1] = np.clip(base + colour, 0, 1)
        if i and rng.random() < 0.2 and node.contrast == 1.0:
            levels[i + 1] = levels[rng.integers(1, i + 1)]  # tissues repeat
        if node.alike is not None:
            levels[i + 1] = levels[node.alike + 1]
    # noise and texture are relative to the contrast: what counts is how well the eye can tell regions apart
    rough = contrast * (0.9 if rng.random() < 0.12 else 0.2) * rng.random() ** 1.5
    noise = contrast * (1.2 if rng.random() < 0.12 else 0.25) * rng.random() ** 1.5
    texture = _textures(rng, nodes, rough, contrast)
    sharp = np.exp(rng.uniform(np.log(0.001), np.log(0.01)))
    return Look(
        modality=modality,
        levels=levels,
        texture=texture,
        grain=(float(np.exp(rng.uniform(-4.5, -1.5))), float(np.exp(rng.uniform(-4.5, -2.5)))),
        sharpness=(float(sharp), float(sharp * np.exp(rng.uniform(0, 2.2)))),
        noise=float(noise),
        bias=0.7 * rng.random() ** 1.5,
        pixel=float(np.exp(rng.uniform(0, np.log(10)))) if rng.random() < 0.5 else 1.0,
        seed=int(rng.integers(2**63)),
    )


def _textures(rng: np.random.Generator, nodes: list[Node], rough: float, contrast: float) -> Float32Array:
    """Amplitudes (labels, 2) of two texture fields; what is of the same tissue has the same."""
    labels = len(nodes) + 1
    texture = rough * rng.exponential(1, (labels, 2)) * (rng.random((labels, 2)) < 0.6)
    for i, node in enumerate(nodes):
        if node.rough is not None:
            texture[i + 1] = node.rough * contrast * rng.uniform(0.2, 1.0, 2)
        if node.alike is not None:
            texture[i + 1] = texture[node.alike + 1]
    return texture.astype(np.float32)


def smooth_noise(rng: np.random.Generator, side: int, wavelength: float) -> FloatImage:
    """Unit-variance noise (side, side) without detail finer than `wavelength` (share of the side)."""
    cells = int(np.clip(round(2.0 / wavelength), 3, side))
    coarse = rng.standard_normal((cells, cells), dtype=np.float32)
    if cells == side:
        return coarse
    return cv2.resize(coarse, (side, side), interpolation=cv2.INTER_CUBIC) * 1.3


def render(labels: UInt8Array, look: Look, side: int) -> UInt8Array:
    """Labels (s, s) to an image (side, side, 3)."""
    rng = np.random.default_rng(look.seed)
    channels = 3 if look.modality == "rgb" else 1
    image = _tissue(rng, labels, look, side, channels)
    image = _MODELS[look.modality](rng, image, look)
    image = _through_pixels(image, look.pixel)
    image = _displayed(rng, image)
    if image.shape[2] == 1:
        image = np.repeat(image, 3, axis=2)
    return (image * 255).astype(np.uint8)


def _tissue(rng: np.random.Generator, labels: UInt8Array, look: Look, side: int, channels: int) -> FloatImage:
    sharp = cv2.resize(look.levels[:, :channels][labels], (side, side), interpolation=cv2.INTER_AREA)
    vague = _blurred(sharp, look.sharpness[1] * side)
    sharp = _blurred(sharp, look.sharpness[0] * side)
    share = np.clip(smooth_noise(rng, side, 0.4) + rng.normal(0, 1), 0, 1)
    image = sharp + (vague - sharp) * (share[..., None] if sharp.ndim == 3 else share)
    image = image.reshape(side, side, channels)
    small = cv2.resize(labels, (side, side), interpolation=cv2.INTER_NEAREST)
    for k in range(2):
        if look.texture[:, k].any():
            image += (look.texture[small, k] * smooth_noise(rng, side, look.grain[k]))[..., None]
    return image


def _blurred(image: FloatImage, sigma: float) -> FloatImage:
    return cv2.GaussianBlur(image, (0, 0), sigma) if sigma > 0.3 else image


def _bias(rng: np.random.Generator, side: int, strength: float) -> FloatImage:
    return np.exp(strength * 0.5 * smooth_noise(rng, side, 0.7))[..., None]


def _noise(rng: np.random.Generator, image: FloatImage, strength: float) -> FloatImage:
    field = rng.standard_normal(image.shape, dtype=np.float32)
    sigma = rng.uniform(0, 1.2)
    if sigma > 0.4:
        field = cv2.GaussianBlur(field, (0, 0), sigma).reshape(image.shape) * (1 + 2 * sigma)
    return field * strength


def _ct(rng: np.random.Generator, image: FloatImage, look: Look) -> FloatImage:
    image = image + _noise(rng, image, look.noise)
    if rng.random() < 0.1:
        angle = rng.uniform(0, np.pi)
        across = np.arange(image.shape[0], dtype=np.float32)
        position = np.cos(angle) * across[None] + np.sin(angle) * across[:, None]
        image = image + (0.1 * rng.random() * np.sin(position * rng.uniform(0.2, 1.0)))[..., None]
    return image


def _mr(rng: np.random.Generator, image: FloatImage, look: Look) -> FloatImage:
    image = image * _bias(rng, len(image), look.bias)
    real, imaginary = (_noise(rng, image, look.noise) for _ in range(2))
    return np.hypot(image + real, imaginary)


def _us(rng: np.random.Generator, image: FloatImage, look: Look) -> FloatImage:
    side = len(image)
    spread = rng.uniform(0.4, 1.6, 2) * side / 128
    parts = rng.standard_normal((side, side, 2), dtype=np.float32)
    parts = cv2.GaussianBlur(parts, (0, 0), float(spread[0]), sigmaY=float(spread[1]))
    speckle = np.hypot(parts[..., 0], parts[..., 1])
    speckle = (speckle / speckle.mean()) ** rng.uniform(0.3, 1.0)
    image = np.clip(image, 0.02, None) * speckle[..., None]
    depth = np.linspace(0, 1, side, dtype=np.float32)[:, None, None]
    image = image * np.exp(-rng.uniform(-0.5, 1.5) * depth)
    for _ in range(rng.integers(0, 4)):
        x, width = rng.uniform(0, side), side * rng.uniform(0.02, 0.12)
        column = np.exp(-0.5 * ((np.arange(side, dtype=np.float32) - x) / width) ** 2)[None, :, None]
        below = 1 / (1 + np.exp(-(depth - rng.uniform(0, 0.8)) * 30))
        image = image * (1 - rng.uniform(-0.4, 0.9) * column * below)
    return image


def _xray(rng: np.random.Generator, image: FloatImage, look: Look) -> FloatImage:
    side = len(image)
    over = np.zeros((side, side), np.float32)
    slope, gap = rng.uniform(-0.5, 0.5), rng.uniform(0.06, 0.16) * side
    for i in range(int(side / gap) + 4):
        x = np.linspace(-0.1, 1.1, 16)
        y = i * gap / side - 0.2 + slope * np.abs(x - 0.5) + rng.uniform(0.0, 0.4) * (x - 0.5) ** 2
        line = (np.stack([x, y], axis=1) * side).astype(np.int32)
        cv2.polylines(over, [line], False, 1.0, max(1, int(gap * rng.uniform(0.15, 0.5))))
    over = cv2.GaussianBlur(over, (0, 0), side / 128)
    image = image + (rng.uniform(0.05, 0.3) * over)[..., None] + 0.2 * smooth_noise(rng, side, 0.5)[..., None]
    return image + _noise(rng, image, look.noise * 0.5)


def _rgb(rng: np.random.Generator, image: FloatImage, look: Look) -> FloatImage:
    side = len(image)
    image = image * _bias(rng, side, look.bias * 0.6) + _noise(rng, image, look.noise * 0.5)
    for _ in range(rng.integers(1, 25) if rng.random() < 0.3 else 0):
        start = rng.uniform(0, side, 2)
        bend = np.cumsum(rng.normal(0, 0.15, 12)) + rng.uniform(0, 2 * np.pi)
        step = side * rng.uniform(0.02, 0.06)
        path = start + np.cumsum(np.stack([np.cos(bend), np.sin(bend)], axis=1) * step, axis=0)
        colour = tuple(float(c) for c in rng.uniform(0, 0.4) * np.ones(3))
        cv2.polylines(image, [path.astype(np.int32)], False, colour, max(1, side // 128), cv2.LINE_AA)
    for _ in range(rng.integers(1, 8) if rng.random() < 0.2 else 0):
        at = tuple(int(c) for c in rng.uniform(0, side, 2))
        cv2.circle(image, at, max(1, int(side * rng.uniform(0.005, 0.02))), (1.0, 1.0, 1.0), -1, cv2.LINE_AA)
    if rng.random() < 0.25:
        inside = np.zeros((side, side), np.float32)
        cv2.circle(inside, (side // 2, side // 2), int(side * rng.uniform(0.45, 0.65)), 1.0, -1, cv2.LINE_AA)
        image = image * inside[..., None]
    return image


def _plain(rng: np.random.Generator, image: FloatImage, look: Look) -> FloatImage:
    return image + _noise(rng, image, look.noise * 0.3)


_MODELS = {"ct": _ct, "mr": _mr, "us": _us, "xray": _xray, "rgb": _rgb, "plain": _plain}


def _through_pixels(image: FloatImage, pixel: float) -> FloatImage:
    """Seen through native pixels `pixel` times as large, then interpolated for display."""
    side = len(image)
    native = int(side / pixel)
    if native >= side:
        return image
    small = cv2.resize(image, (native, native), interpolation=cv2.INTER_AREA)
    return cv2.resize(small, (side, side), interpolation=cv2.INTER_LINEAR).reshape(image.shape)


def _displayed(rng: np.random.Generator, image: FloatImage) -> FloatImage:
    """Windowed to 0..1: by percentiles, sometimes far too wide or too narrow, sometimes inverted."""
    low, high = np.percentile(image[::2, ::2], (rng.uniform(0, 3), rng.uniform(96, 100)))
    width = max(float(high - low), 0.05)
    low, high = low - width * rng.normal(0, 0.12), high + width * rng.normal(0, 0.15)
    image = np.clip((image - low) / max(high - low, 0.05), 0, 1)
    image = image ** np.exp(rng.normal(0, 0.25))
    return 1 - image if rng.random() < 0.1 else image
