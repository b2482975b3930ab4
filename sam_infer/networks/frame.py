"""Frames: coordinate transform between displayed pixels and model pixels, with crop, resize and padding.

A frame is a rectangle of a slice, resized so that its longest side fills the model's input; the rest of the input is
padding at the bottom and on the right. Pixels of unequal size are made square on the way, so that anatomy keeps its
shape in every plane.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from PIL import Image
from skimage.transform import resize

from sam_infer.arrays import Float32Array, Float64Array, UInt8Array

# How a model places pixel i: SAM's own code scales the index itself, ours scales pixel centres.
Convention = Literal["sam", "centre"]

# How a network's training images were resized: SAM's by PIL, MedSAM's by scikit-image with cubic splines.
Resampling = Literal["bilinear", "cubic"]

# Below this difference of pixel height and width the grid counts as square (and SAM's own resizing applies exactly).
SQUARE_TOLERANCE = 0.01


@dataclass(frozen=True)
class Crop:
    """A rectangle of a displayed slice in pixels; may reach over the edge, where it is zero."""

    row: int
    col: int
    height: int
    width: int

    @property
    def key(self) -> str:
        """What identifies it in a cache key."""
        return f"{self.row},{self.col},{self.height},{self.width}"


@dataclass(frozen=True)
class Frame:
    """`crop` of a slice, shown to the model as `input_height` x `input_width` of `input_size` squared."""

    crop: Crop
    input_height: int
    input_width: int
    input_size: int
    convention: Convention = "centre"
    resampling: Resampling = "bilinear"

    @property
    def scale_yx(self) -> tuple[float, float]:
        """Model pixels per displayed pixel."""
        return self.input_height / self.crop.height, self.input_width / self.crop.width

    def points_to_model(self, row_cols: Float64Array) -> Float32Array:
        """Displayed (row, column) (N, 2) to model (x, y) (N, 2); integers are pixel centres on both sides."""
        sy, sx = self.scale_yx
        half = 0.5 if self.convention == "centre" else 0.0
        y = (row_cols[:, 0] - self.crop.row + half) * sy - half
        x = (row_cols[:, 1] - self.crop.col + half) * sx - half
        return np.stack([x, y], axis=1).astype(np.float32)

    def box_to_model(self, low: Float64Array, high: Float64Array) -> Float32Array:
        """Inclusive displayed corners (row, column) to model (x0, y0, x1, y1).

        Our models get the outer pixel edges (less the half pixel that the prompt encoder adds); SAM's get the scaled
        indices, as its own predictor sends them.
        """
        if self.convention == "sam":
            corners = self.points_to_model(np.stack([low, high]))
            return corners.reshape(4)
        sy, sx = self.scale_yx
        y0, x0 = (low[0] - self.crop.row) * sy - 0.5, (low[1] - self.crop.col) * sx - 0.5
        y1, x1 = (high[0] + 1 - self.crop.row) * sy - 0.5, (high[1] + 1 - self.crop.col) * sx - 0.5
        return np.array([x0, y0, x1, y1], np.float32)

    def cut(self, pixels: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """The crop of displayed `pixels` (H, W, ...), zero where it reaches over the edge."""
        c = self.crop
        inside_rows = slice(max(c.row, 0), min(c.row + c.height, pixels.shape[0]))
        inside_cols = slice(max(c.col, 0), min(c.col + c.width, pixels.shape[1]))
        part = pixels[inside_rows, inside_cols]
        if part.shape[:2] == (c.height, c.width):
            return part
        out = np.zeros((c.height, c.width, *pixels.shape[2:]), pixels.dtype)
        top, left = inside_rows.start - c.row, inside_cols.start - c.col
        out[top : top + part.shape[0], left : left + part.shape[1]] = part
        return out

    def paste(self, values: Float32Array, shape: tuple[int, int], fill: float) -> Float32Array:
        """Crop values (h, w) into a slice of `shape`, `fill` elsewhere."""
        c = self.crop
        if (c.row, c.col, c.height, c.width) == (0, 0, *shape):
            return values
        out = np.full(shape, fill, np.float32)
        top, left = max(c.row, 0), max(c.col, 0)
        bottom, right = min(c.row + c.height, shape[0]), min(c.col + c.width, shape[1])
        out[top:bottom, left:right] = values[top - c.row : bottom - c.row, left - c.col : right - c.col]
        return out


def whole(height: int, width: int) -> Crop:
    """The crop that is the whole slice."""
    return Crop(0, 0, height, width)


def fit_longest(crop: Crop, pixel_mm: tuple[float, float], input_size: int, convention: Convention) -> Frame:
    """The frame whose longest side, measured in mm, fills `input_size`."""
    row_mm, col_mm = pixel_mm
    if abs(row_mm / col_mm - 1) < SQUARE_TOLERANCE:
        row_mm = col_mm = 1.0
    height, width = crop.height * row_mm, crop.width * col_mm
    scale = input_size / max(height, width)
    # SAM rounds half up
    return Frame(crop, max(1, int(height * scale + 0.5)), max(1, int(width * scale + 0.5)), input_size, convention)


def fit_square(crop: Crop, input_size: int, convention: Convention, resampling: Resampling = "cubic") -> Frame:
    """The frame stretched to a square, as MedSAM and SAM 2 were trained."""
    return Frame(crop, input_size, input_size, input_size, convention, resampling)


def resize_stack(stack: UInt8Array, frame: Frame) -> UInt8Array:
    """Displayed slices (n, H, W) or (n, H, W, 3) to model input (n, input_height, input_width, 3)."""
    return np.stack([resize_pixels(frame.cut(pixels), frame) for pixels in stack])


def resize_pixels(pixels: UInt8Array, frame: Frame) -> UInt8Array:
    """Cut pixels (h, w) or (h, w, 3) to model input (input_height, input_width, 3), as the network's own code does."""
    image = Image.fromarray(np.ascontiguousarray(pixels)).convert("RGB")
    size = (frame.input_height, frame.input_width)
    if frame.resampling == "bilinear":
        return np.asarray(image.resize(size[::-1], Image.Resampling.BILINEAR))
    smooth = resize(np.asarray(image), size, order=3, preserve_range=True, anti_aliasing=True)
    return np.asarray(smooth.astype(np.uint8))
