"""The `Backbone` protocol of SAM-like networks: expensive `encode` to features, cheap `decode` of hints to masks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch

from sam_infer.arrays import Float32Array, Int64Array, UInt8Array
from sam_infer.errors import ModelError
from sam_infer.networks.frame import Crop, Frame
from sam_infer.weights.prompting import Prompting

# What `encode` returns: named tensors, batch first, as they are cached and stored.
Features = Mapping[str, torch.Tensor]

# The attribute by which an encoder that looks at a stack says of how many slices.
SLICES = "slices_seen"


@dataclass(frozen=True, eq=False)
class Hints:
    """The prompts of one object on one frame, in model pixels."""

    points_xy: Float32Array  # (N, 2)
    labels: Int64Array  # (N,) 1 foreground, 0 background
    box_xyxy: Float32Array | None = None  # (4,)
    mask_logits: Float32Array | None = None  # (low_res, low_res): a prior or the previous answer

    @property
    def is_ambiguous(self) -> bool:
        """One click alone may mean a part or the whole."""
        return self.box_xyxy is None and self.mask_logits is None and len(self.labels) == 1

    @property
    def is_box_alone(self) -> bool:
        """Nothing but a box was said."""
        return self.box_xyxy is not None and self.mask_logits is None and not len(self.labels)


@dataclass(frozen=True, eq=False)
class Candidates:
    """Masks a network proposes for one object, with its own opinion of each."""

    logits: Float32Array  # (M, low_res, low_res); the first three are what a client may choose from
    scores: Float32Array  # (M,) predicted IoU
    preferred: int  # the choice made without any truth: the network's own, or its ranker's


class Backbone(Protocol):
    """A SAM-like network in evaluation mode; stateless and safe to call from several threads."""

    name: str
    weights_id: str  # hash of all weights as served
    encoder_id: str  # hash of encoder weights and preprocessing: changes when, and only when, `encode` would
    depth: int  # slices that `encode` looks at: odd, the one that is asked about in the middle; most see no neighbour
    input_size: int
    low_res: int  # side of the logits that `decode` returns and takes
    prompting: Prompting  # how it wants to be prompted
    follows_masks: bool  # learned to take the mask of the slice before as its only hint

    def frame(self, crop: Crop, pixel_mm: tuple[float, float]) -> Frame:
        """How a part of a slice is shown to this network."""
        ...

    def encode(self, stack: UInt8Array) -> Features:
        """Model input (depth, input_height, input_width, 3) to features of the slice in the middle."""
        ...

    def decode(self, features: Features, hints: Hints) -> Candidates:
        """Features and hints to candidate masks."""
        ...

    def decode_clicks(self, features: Features, points_xy: Float32Array) -> tuple[Float32Array, Float32Array]:
        """Many objects at once, each meant by one foreground click (N, 2).

        Returns logits (N, M, low_res, low_res) and predicted IoU (N, M), candidates in the order of `decode`.
        """
        ...


def only_slice(stack: UInt8Array) -> UInt8Array:
    """The slice (h, w, 3) in a stack of one: what networks of depth 1 look at."""
    if stack.ndim != 4 or len(stack) != 1:
        raise ModelError(f"this network looks at one slice (1, height, width, 3) at a time, got {stack.shape}", "stack")
    one: UInt8Array = stack[0]
    return one


def slices_seen(encoder: torch.nn.Module) -> int:
    """How many slices an encoder looks at: one, unless an adapter inserted what looks at more."""
    return int(getattr(encoder, SLICES, 1))


def whole_stack(stack: UInt8Array, slices: int) -> UInt8Array:
    """The stack, if it is of so many slices."""
    if slices == 1:
        return only_slice(stack)[None]
    if stack.ndim != 4 or len(stack) != slices:
        raise ModelError(
            f"this network looks at {slices} slices ({slices}, height, width, 3), got {stack.shape}", "stack"
        )
    return stack


def middle_maps(maps: torch.Tensor, slices: int) -> torch.Tensor:
    """Of maps (B * slices, ...) those of the slices in the middle (B, ...)."""
    return maps[slices // 2 :: slices]


def upscale_logits(logits: Float32Array, frame: Frame) -> Float32Array:
    """Low-resolution logits (M, l, l) to the frame's crop (M, h, w): SAM's two bilinear steps."""
    tensor = torch.from_numpy(np.ascontiguousarray(logits))[None]
    size = (frame.input_size, frame.input_size)
    tensor = torch.nn.functional.interpolate(tensor, size, mode="bilinear", align_corners=False)
    tensor = tensor[..., : frame.input_height, : frame.input_width]
    crop = (frame.crop.height, frame.crop.width)
    return torch.nn.functional.interpolate(tensor, crop, mode="bilinear", align_corners=False)[0].numpy()


def downscale_mask(mask: Float32Array, frame: Frame, low_res: int) -> Float32Array:
    """Values on the crop (h, w) to the (low_res, low_res) grid of a mask prompt, area-averaged, zero padded."""
    tensor = torch.from_numpy(np.ascontiguousarray(mask, dtype=np.float32))[None, None]
    rows = max(1, round(low_res * frame.input_height / frame.input_size))
    cols = max(1, round(low_res * frame.input_width / frame.input_size))
    tensor = torch.nn.functional.interpolate(tensor, (rows, cols), mode="bilinear", antialias=True)
    out = np.zeros((low_res, low_res), np.float32)
    out[:rows, :cols] = tensor[0, 0].numpy()
    return out
