"""SAM architectures (ViT-B, ViT-L, ViT-H, TinyViT, HQ-SAM, SAM-Med2D) without weights, of SAM's own classes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial

import torch
from torch import nn

from sam_infer.errors import ModelError
from sam_infer.networks.mobile_sam import TinyViT
from sam_infer.networks.sam_hq import HqImageEncoder, HqMaskDecoder
from sam_infer.networks.sam_med2d import with_adapters
from sam_infer.networks.sam_modules import ImageEncoderViT, MaskDecoder, PromptEncoder, Sam, TwoWayTransformer
from sam_infer.weights.tensor_layout import compare, layout_of

INPUT_SIZE = 1024
PATCH = 16
EMBEDDING_WIDTH = 256

# Means and deviations of the RGB values that SAM was trained on.
PIXEL_MEAN = (123.675, 116.28, 103.53)
PIXEL_STD = (58.395, 57.12, 57.375)


@dataclass(frozen=True)
class VitShape:
    """The numbers in which SAM's three image encoders differ."""

    width: int
    depth: int
    heads: int
    global_blocks: tuple[int, ...]  # blocks that attend to the whole image; the others look through windows
    input_size: int = INPUT_SIZE


VIT_SHAPES = {
    "vit_b": VitShape(768, 12, 12, (2, 5, 8, 11)),
    "vit_l": VitShape(1024, 24, 16, (5, 11, 17, 23)),
    "vit_h": VitShape(1280, 32, 16, (7, 15, 23, 31)),
}


HQ = "hq_"  # an HQ-SAM's layout is called like that of the SAM that it began as
MED2D_SHAPE = replace(VIT_SHAPES["vit_b"], input_size=256)


def build(name: str) -> Sam:
    """The architecture called `name` on the meta device: shapes, no memory."""
    if name.startswith(HQ):
        return build_hq(VIT_SHAPES[name.removeprefix(HQ)])
    if name == "sam_med2d":
        return build_med2d(MED2D_SHAPE)
    return build_mobile(INPUT_SIZE) if name == "mobile_sam" else build_vit(VIT_SHAPES[name])


def build_mobile(side: int) -> Sam:
    """A MobileSAM of any input size on the meta device."""
    with torch.device("meta"):
        return _sam(TinyViT(side))


def build_vit(shape: VitShape) -> Sam:
    """A SAM of any depth, width or input size on the meta device."""
    with torch.device("meta"):
        return _sam(_vit(shape))


def build_hq(shape: VitShape) -> Sam:
    """An HQ-SAM of any size on the meta device."""
    with torch.device("meta"):
        return _sam(_vit(shape, HqImageEncoder), HqMaskDecoder(EMBEDDING_WIDTH, _transformer(), shape.width))


def build_med2d(shape: VitShape) -> Sam:
    """A SAM with adapters in its encoder, of any size, on the meta device."""
    with torch.device("meta"):
        return _sam(with_adapters(_vit(shape), shape.width, shape.heads, shape.input_size // PATCH))


def with_weights(sam: Sam, tensors: Mapping[str, torch.Tensor]) -> Sam:
    """A network from `build` in evaluation mode around `tensors`, which must fit exactly and are not copied."""
    found = compare(layout_of(tensors), layout_of(sam.state_dict()))
    if found:
        raise ModelError(f"the weights do not fit the network: {found}; add the model's file again", "model")
    sam.load_state_dict(dict(tensors), strict=True, assign=True)
    return sam.requires_grad_(False).eval()


def _sam(encoder: TinyViT | ImageEncoderViT, decoder: MaskDecoder | None = None) -> Sam:
    side = encoder.img_size
    grid = (side // PATCH, side // PATCH)
    return Sam(
        image_encoder=encoder,
        prompt_encoder=PromptEncoder(EMBEDDING_WIDTH, grid, (side, side), mask_in_chans=16),
        mask_decoder=decoder or MaskDecoder(transformer_dim=EMBEDDING_WIDTH, transformer=_transformer()),
        pixel_mean=list(PIXEL_MEAN),
        pixel_std=list(PIXEL_STD),
    )


def _transformer() -> TwoWayTransformer:
    return TwoWayTransformer(depth=2, embedding_dim=EMBEDDING_WIDTH, num_heads=8, mlp_dim=2048)


def _vit(shape: VitShape, kind: type[ImageEncoderViT] = ImageEncoderViT) -> ImageEncoderViT:
    return kind(
        img_size=shape.input_size,
        patch_size=PATCH,
        embed_dim=shape.width,
        depth=shape.depth,
        num_heads=shape.heads,
        out_chans=EMBEDDING_WIDTH,
        norm_layer=partial(nn.LayerNorm, eps=1e-6),
        use_rel_pos=True,
        window_size=14,
        global_attn_indexes=shape.global_blocks,
    )
