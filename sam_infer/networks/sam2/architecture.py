"""SAM 2.1 without weights, of its own classes, with the numbers of its published configurations.

sam2/configs/sam2.1/sam2.1_hiera_*.yaml, and what `build_sam2_video_predictor` adds to them: of one mask that is not
sure the best of three is taken, and masks of prompted slices are remembered as what the reader saw of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch

from sam_infer.errors import ModelError
from sam_infer.networks.sam2.modules import (
    CXBlock,
    FpnNeck,
    Fuser,
    Hiera,
    ImageEncoder,
    MaskDownSampler,
    MemoryAttention,
    MemoryAttentionLayer,
    MemoryEncoder,
    PositionEmbeddingSine,
    RoPEAttention,
    SAM2Base,
)
from sam_infer.weights.tensor_layout import compare, layout_of

INPUT_SIZE = 1024
STRIDE = 16
WIDTH, MEMORY_WIDTH = 256, 64


@dataclass(frozen=True)
class HieraShape:
    """The numbers in which the four image encoders differ."""

    width: int
    heads: int
    stages: tuple[int, ...]
    global_blocks: tuple[int, ...]  # blocks that attend to the whole image; the others look through windows
    places: int = 7  # side of the learned grid of positions
    windows: tuple[int, ...] = (8, 4, 14, 7)
    input_size: int = INPUT_SIZE

    @property
    def widths(self) -> list[int]:
        """Of the four levels, the coarsest first."""
        return [self.width * 2**level for level in (3, 2, 1, 0)]

    @property
    def side(self) -> int:
        """Of the grid of tokens that memories lie on."""
        return self.input_size // STRIDE


SHAPES = {
    "sam2.1_hiera_tiny": HieraShape(96, 1, (1, 2, 7, 2), (5, 7, 9)),
    "sam2.1_hiera_small": HieraShape(96, 1, (1, 2, 11, 2), (7, 10, 13)),
    "sam2.1_hiera_base_plus": HieraShape(112, 2, (2, 3, 16, 3), (12, 16, 20), places=14),
    "sam2.1_hiera_large": HieraShape(144, 2, (2, 6, 36, 4), (23, 33, 43), windows=(8, 4, 16, 8)),
}


def build(shape: HieraShape) -> SAM2Base:
    """A SAM 2 of any size, its weights drawn only to be replaced."""
    with torch.random.fork_rng(devices=[]):
        network = SAM2Base(
            image_encoder=_image_encoder(shape),
            memory_attention=_memory_attention(shape.side),
            memory_encoder=_memory_encoder(),
            num_maskmem=7,
            image_size=shape.input_size,
            sigmoid_scale_for_mem_enc=20.0,
            sigmoid_bias_for_mem_enc=-10.0,
            use_mask_input_as_output_without_sam=True,
            directly_add_no_mem_embed=True,
            no_obj_embed_spatial=True,
            use_high_res_features_in_sam=True,
            multimask_output_in_sam=True,
            iou_prediction_use_sigmoid=True,
            use_obj_ptrs_in_encoder=True,
            add_tpos_enc_to_obj_ptrs=True,
            proj_tpos_enc_in_obj_ptrs=True,
            use_signed_tpos_enc_to_obj_ptrs=True,
            only_obj_ptrs_in_the_past_for_eval=True,
            pred_obj_scores=True,
            pred_obj_scores_mlp=True,
            fixed_no_obj_ptr=True,
            multimask_output_for_tracking=True,
            use_multimask_token_for_obj_ptr=True,
            multimask_min_pt_num=0,
            multimask_max_pt_num=1,
            use_mlp_for_obj_ptr_proj=True,
            binarize_mask_from_pts_for_mem_enc=True,
            sam_mask_decoder_extra_args={
                "dynamic_multimask_via_stability": True,
                "dynamic_multimask_stability_delta": 0.05,
                "dynamic_multimask_stability_thresh": 0.98,
            },
        )
    return network.requires_grad_(False).eval()


def with_weights(network: SAM2Base, tensors: Mapping[str, torch.Tensor]) -> SAM2Base:
    """A network from `build` around `tensors`, which must fit exactly and are not copied."""
    found = compare(layout_of(tensors), layout_of(network.state_dict()))
    if found:
        raise ModelError(f"the weights do not fit the network: {found}; add the model's file again", "model")
    network.load_state_dict(dict(tensors), strict=True, assign=True)
    return network.requires_grad_(False).eval()


def _image_encoder(shape: HieraShape) -> ImageEncoder:
    trunk = Hiera(
        embed_dim=shape.width,
        num_heads=shape.heads,
        stages=shape.stages,
        global_att_blocks=shape.global_blocks,
        window_pos_embed_bkg_spatial_size=(shape.places, shape.places),
        window_spec=shape.windows,
    )
    neck = FpnNeck(
        position_encoding=_positions(WIDTH),
        d_model=WIDTH,
        backbone_channel_list=shape.widths,
        fpn_top_down_levels=[2, 3],
        fpn_interp_model="nearest",
    )
    return ImageEncoder(trunk=trunk, neck=neck, scalp=1)


def _memory_attention(side: int) -> MemoryAttention:
    layer = MemoryAttentionLayer(
        activation="relu",
        dim_feedforward=2048,
        dropout=0.1,
        pos_enc_at_attn=False,
        self_attention=_rope(side),
        d_model=WIDTH,
        pos_enc_at_cross_attn_keys=True,
        pos_enc_at_cross_attn_queries=False,
        cross_attention=_rope(side, rope_k_repeat=True, kv_in_dim=MEMORY_WIDTH),
    )
    return MemoryAttention(d_model=WIDTH, pos_enc_at_input=True, layer=layer, num_layers=4)


def _rope(side: int, **more: object) -> RoPEAttention:
    sizes = (side, side)
    return RoPEAttention(
        rope_theta=10000.0, feat_sizes=sizes, embedding_dim=WIDTH, num_heads=1, downsample_rate=1, dropout=0.1, **more
    )


def _memory_encoder() -> MemoryEncoder:
    block = CXBlock(dim=WIDTH, kernel_size=7, padding=3, layer_scale_init_value=1e-6, use_dwconv=True)
    return MemoryEncoder(
        out_dim=MEMORY_WIDTH,
        position_encoding=_positions(MEMORY_WIDTH),
        mask_downsampler=MaskDownSampler(kernel_size=3, stride=2, padding=1),
        fuser=Fuser(layer=block, num_layers=2),
    )


def _positions(width: int) -> PositionEmbeddingSine:
    return PositionEmbeddingSine(num_pos_feats=width, normalize=True, scale=None, temperature=10000)
