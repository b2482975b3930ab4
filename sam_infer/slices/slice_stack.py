"""A slice and its neighbours as model input: what `Backbone.encode` is given."""

from __future__ import annotations

import numpy as np

from sam_infer.arrays import UInt8Array
from sam_infer.imaging.slice_view import SliceView
from sam_infer.imaging.volume import Volume
from sam_infer.imaging.window import Window
from sam_infer.networks.frame import Frame, resize_pixels


def slice_stack(volume: Volume, view: SliceView, window: Window, frame: Frame, depth: int) -> UInt8Array:
    """The frame on `depth` slices (depth, input_height, input_width, 3), under one window, `view` in the middle.

    At the ends of the volume the first and the last slice stand in for what would lie beyond them.
    """
    shown = [window.apply(frame.cut(volume.pixels(one))) for one in view.neighbours(depth)]
    return np.stack([resize_pixels(pixels, frame) for pixels in shown])
