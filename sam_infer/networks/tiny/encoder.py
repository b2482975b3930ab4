"""The image encoder of the embedded model: a convolutional stem, then attention at stride 16."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sam_infer.networks.layers import Residual, conv_norm, to_tokens


class Attention(nn.Module):
    """Self-attention with one fused `qkv` projection, which adapters target."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        """Tokens (B, n, C) to the same shape."""
        batch, n, width = x.shape
        q, k, v = self.qkv(x).view(batch, n, 3, self.heads, width // self.heads).permute(2, 0, 3, 1, 4)
        if torch.is_grad_enabled():
            # plain matrices: on a CPU the fused kernel's backward pass costs six times as much at these sizes
            weights = (q @ k.transpose(-2, -1) * (width // self.heads) ** -0.5).softmax(dim=-1)
            mixed = weights.to(v.dtype) @ v
        else:
            mixed = F.scaled_dot_product_attention(q, k, v)
        return self.proj(mixed.transpose(1, 2).reshape(batch, n, width))


class Block(nn.Module):
    """A pre-norm transformer block."""

    def __init__(self, width: int, heads: int, mlp_ratio: int = 3) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width)
        self.attn = Attention(width, heads)
        self.norm2 = nn.LayerNorm(width)
        self.mlp = nn.Sequential(nn.Linear(width, mlp_ratio * width), nn.GELU(), nn.Linear(mlp_ratio * width, width))

    def forward(self, x: Tensor) -> Tensor:
        """Tokens (B, n, C) to the same shape."""
        x = x + self.attn(self.norm1(x))
        return x + self.mlp(self.norm2(x))


def to_map(tokens: Tensor, grid: tuple[int, int]) -> Tensor:
    """(B, h * w, C) to (B, C, h, w)."""
    return tokens.transpose(1, 2).reshape(tokens.shape[0], tokens.shape[2], *grid)


class TinyEncoder(nn.Module):
    """Images to three maps: fine edges at stride 4, parts at stride 8, context at stride 16."""

    def __init__(self, width: int, depth: int, heads: int, grid: int) -> None:
        super().__init__()
        self.stem = conv_norm(3, 32, 2)
        self.stage4 = nn.Sequential(conv_norm(32, 48, 2), Residual(48))
        self.stage8 = nn.Sequential(conv_norm(48, 96, 2), Residual(96), Residual(96))
        self.stage16 = nn.Conv2d(96, width, 3, 2, 1)
        self.pos_embed = nn.Parameter(torch.randn(1, width, grid, grid) * 0.02)
        self.blocks = nn.ModuleList(Block(width, heads) for _ in range(depth))
        self.norm = nn.LayerNorm(width)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Normalised images (B, 3, S, S) to (B, 48, S/4, S/4), (B, 96, S/8, S/8), (B, width, S/16, S/16)."""
        x4 = self.stage4(self.stem(images))
        x8 = self.stage8(x4)
        x16 = self.stage16(x8)
        grid = (x16.shape[-2], x16.shape[-1])
        position: Tensor = self.pos_embed
        if position.shape[-2:] != x16.shape[-2:]:
            position = F.interpolate(position, grid, mode="bilinear", align_corners=False)
        tokens = to_tokens(x16 + position)
        for block in self.blocks:
            tokens = block(tokens)
        return x4, x8, to_map(self.norm(tokens), grid)
