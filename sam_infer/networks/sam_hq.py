"""HQ-SAM: SAM with one more token, whose mask is drawn on finer features and added to the others.

The finer features need the encoder's early layers: `HqImageEncoder` appends those to the embedding, channel after
channel, and `HqMaskDecoder` takes them off again. So everything else handles an HQ-SAM as it handles a SAM.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from sam_infer.networks.sam_modules import MLP, ImageEncoderViT, LayerNorm2d, MaskDecoder


class HqImageEncoder(ImageEncoderViT):
    """SAM's encoder, which also gives what its first block over the whole image saw."""

    def forward(self, x: Tensor) -> Tensor:
        """Images (B, 3, S, S) to embedding and early features (B, 256 + width, S/16, S/16)."""
        x = self.patch_embed(x) + self.pos_embed
        whole: list[Tensor] = []
        for block in self.blocks:
            x = block(x)
            if block.window_size == 0:
                whole.append(x)
        return torch.cat([self.neck(x.permute(0, 3, 1, 2)), whole[0].permute(0, 3, 1, 2)], dim=1)


class HqMaskDecoder(MaskDecoder):
    """SAM's decoder with a fifth mask, which corrects the edges of the other four. Names are the published file's."""

    def __init__(self, transformer_dim: int, transformer: nn.Module, vit_dim: int) -> None:
        super().__init__(transformer_dim=transformer_dim, transformer=transformer)
        width, half, eighth = transformer_dim, transformer_dim // 4, transformer_dim // 8
        self.hf_token = nn.Embedding(1, width)
        self.hf_mlp = MLP(width, width, eighth, 3)
        self.compress_vit_feat = _four_times(vit_dim, width, eighth)
        self.embedding_encoder = _four_times(width, half, eighth)
        self.embedding_maskfeature = nn.Sequential(
            nn.Conv2d(eighth, half, 3, 1, 1), LayerNorm2d(half), nn.GELU(), nn.Conv2d(half, eighth, 3, 1, 1)
        )

    def predict_masks(
        self,
        image_embeddings: Tensor,
        image_pe: Tensor,
        sparse_prompt_embeddings: Tensor,
        dense_prompt_embeddings: Tensor,
    ) -> tuple[Tensor, Tensor]:
        """As SAM's: masks (B, 4, 4h, 4w) and their predicted IoU (B, 4), of one image or one per prompt."""
        embedding, early = image_embeddings.split(
            [self.transformer_dim, image_embeddings.shape[1] - self.transformer_dim], 1
        )
        fine = self.embedding_encoder(embedding) + self.compress_vit_feat(early)
        told = sparse_prompt_embeddings.shape[0]
        output = torch.cat([self.iou_token.weight, self.mask_tokens.weight, self.hf_token.weight])
        tokens = torch.cat([output.expand(told, -1, -1), sparse_prompt_embeddings], dim=1)
        source = embedding.expand(told, -1, -1, -1) + dense_prompt_embeddings
        hidden, mixed = self.transformer(source, image_pe.expand(told, -1, -1, -1), tokens)
        upscaled = self.output_upscaling(mixed.transpose(1, 2).view(source.shape))
        last = 1 + self.num_mask_tokens
        weights = [mlp(hidden[:, 1 + n]) for n, mlp in enumerate(self.output_hypernetworks_mlps)]
        masks = torch.einsum("bnc,bchw->bnhw", torch.stack(weights, dim=1), upscaled)
        finer = self.embedding_maskfeature(upscaled) + fine
        edges = torch.einsum("bc,bchw->bhw", self.hf_mlp(hidden[:, last]), finer)
        return masks + edges[:, None], self.iou_prediction_head(hidden[:, 0])


def _four_times(width_in: int, between: int, width_out: int) -> nn.Sequential:
    """Four times the resolution in two steps."""
    return nn.Sequential(
        nn.ConvTranspose2d(width_in, between, 2, 2),
        LayerNorm2d(between),
        nn.GELU(),
        nn.ConvTranspose2d(between, width_out, 2, 2),
    )
