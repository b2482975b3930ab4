"""SAM's own modules, taken from segment-anything with a lazy import of torchvision, which none of them uses.

The package imports torchvision for its predictor, which we do not have: ten seconds of a processor in every process,
most of them for torch's compiler. Everybody takes these names from here, so that nobody imports the package first.
"""

from __future__ import annotations

from sam_infer.lazy_imports import deferred

with deferred("torchvision"):
    from segment_anything.modeling import ImageEncoderViT, MaskDecoder, PromptEncoder, Sam, TwoWayTransformer
    from segment_anything.modeling.common import LayerNorm2d
    from segment_anything.modeling.image_encoder import Block, window_partition, window_unpartition
    from segment_anything.modeling.mask_decoder import MLP

__all__ = [
    "MLP",
    "Block",
    "ImageEncoderViT",
    "LayerNorm2d",
    "MaskDecoder",
    "PromptEncoder",
    "Sam",
    "TwoWayTransformer",
    "window_partition",
    "window_unpartition",
]
