"""Classical segmentation baselines from the same prompts: ellipse, GrabCut, random walker, region growing.

Pixels are displayed pixels (H, W) or (H, W, 3), uint8, under the window the network sees. Masks are (H, W).
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt
from scipy import ndimage
from skimage.filters import gaussian
from skimage.segmentation import flood, random_walker

from sam_infer.arrays import BoolArray, Float32Array, Int64Array, UInt8Array

Pixels = UInt8Array

# GrabCut looks at the box and this share of its sides around it, at no more than this many pixels per side.
GRABCUT_MARGIN = 0.5
GRABCUT_SIDE = 256
GRABCUT_ROUNDS = 5

# The random walker solves a linear system per slice: at this side it takes about 0.1 s.
WALKER_SIDE = 128
WALKER_BETA = 130.0

# A region grows over pixels this close to its seed, on a slice smoothed by this many pixels.
GROWING_TOLERANCE = 0.08
GROWING_SIGMA = 1.0


def ellipse(box: Int64Array, shape: tuple[int, int]) -> BoolArray:
    """The filled ellipse that touches all edges of an inclusive box (2, 2)."""
    low, high = box.astype(float)
    centre, radii = (low + high) / 2, (high + 1 - low) / 2
    rows = ((np.arange(shape[0]) - centre[0]) / radii[0]) ** 2
    cols = ((np.arange(shape[1]) - centre[1]) / radii[1]) ** 2
    return np.asarray(rows[:, None] + cols <= 1.0)


def grabcut(pixels: Pixels, box: Int64Array) -> BoolArray:
    """GrabCut started from an inclusive box (2, 2); when it finds nothing, the box."""
    shape = pixels.shape[:2]
    margin = np.maximum(((box[1] + 1 - box[0]) * GRABCUT_MARGIN).astype(int), 2)
    start = np.maximum(box[0] - margin, 0)
    stop = np.minimum(box[1] + 1 + margin, shape)
    part = _colour(pixels[start[0] : stop[0], start[1] : stop[1]])
    scale = min(1.0, GRABCUT_SIDE / max(part.shape[:2]))
    small = cv2.resize(part, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA) if scale < 1 else part
    shrink = np.array(small.shape[:2]) / part.shape[:2]
    low = np.floor((box[0] - start) * shrink).astype(int)
    high = np.minimum(np.ceil((box[1] + 1 - start) * shrink).astype(int), small.shape[:2])
    inside = _grabcut(small, low, high)
    if scale < 1:
        inside = cv2.resize(inside.astype(np.float32), part.shape[1::-1], interpolation=cv2.INTER_LINEAR) > 0.5
    out = np.zeros(shape, bool)
    out[start[0] : stop[0], start[1] : stop[1]] = inside
    return out


def _grabcut(pixels: Pixels, low: npt.NDArray[np.int_], high: npt.NDArray[np.int_]) -> BoolArray:
    state = np.full(pixels.shape[:2], cv2.GC_BGD, np.uint8)
    state[low[0] : high[0], low[1] : high[1]] = cv2.GC_PR_FGD
    started = state == cv2.GC_PR_FGD
    if started.all():
        return started
    cv2.setRNGSeed(0)
    models = np.zeros((1, 65)), np.zeros((1, 65))
    try:
        cv2.grabCut(pixels, state, None, *models, GRABCUT_ROUNDS, cv2.GC_INIT_WITH_MASK)
    except cv2.error:  # too few pixels on one side for its mixture models
        return started
    found = (state == cv2.GC_FGD) | (state == cv2.GC_PR_FGD)
    return found if found.any() else started


def walker(pixels: Pixels, foreground: Int64Array, background: Int64Array) -> BoolArray:
    """Random walker from points (N, 2); the border of the slice is background too, as no click says otherwise."""
    grey = _grey(pixels)
    scale = min(1.0, WALKER_SIDE / max(grey.shape))
    small = cv2.resize(grey, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA) if scale < 1 else grey
    seeds = np.zeros(small.shape, np.int32)
    seeds[[0, -1], :] = 2
    seeds[:, [0, -1]] = 2
    shrink = np.array(small.shape) / grey.shape
    for points, value in ((background, 2), (foreground, 1)):
        rows, cols = np.minimum(((points + 0.5) * shrink).astype(int), np.array(small.shape) - 1).T
        seeds[rows, cols] = value
    if small.std() == 0:
        return np.zeros(grey.shape, bool)
    # Probabilities a little outside 0..1, from nearly cut-off corners, do not move the threshold: no warning.
    likely = random_walker(
        small.astype(float), seeds, beta=WALKER_BETA, mode="bf", return_full_prob=True, prob_tol=np.inf
    )[0]
    return np.asarray(cv2.resize(likely.astype(np.float32), grey.shape[::-1], interpolation=cv2.INTER_LINEAR) > 0.5)


def growing(pixels: Pixels, foreground: Int64Array, background: Int64Array) -> BoolArray:
    """What is connected to a foreground point and of its intensity, less what is so for a background point."""
    smooth = gaussian(_grey(pixels), GROWING_SIGMA)
    out = np.zeros(smooth.shape, bool)
    for row, col in foreground:
        out |= flood(smooth, (int(row), int(col)), tolerance=GROWING_TOLERANCE)
    for row, col in background:
        out &= ~flood(smooth, (int(row), int(col)), tolerance=GROWING_TOLERANCE)
    return np.asarray(ndimage.binary_fill_holes(out)) if not len(background) else out


def _grey(pixels: Pixels) -> Float32Array:
    """Intensities (H, W) from 0 to 1."""
    grey = pixels.mean(axis=2) if pixels.ndim == 3 else pixels
    return (np.asarray(grey) / 255.0).astype(np.float32)


def _colour(pixels: Pixels) -> Pixels:
    return np.ascontiguousarray(pixels if pixels.ndim == 3 else np.repeat(pixels[..., None], 3, axis=2))
