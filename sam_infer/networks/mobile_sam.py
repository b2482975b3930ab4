"""MobileSAM's image encoder: TinyViT with 5 million parameters under SAM's neck.

Convolutions at stride 4, then three stages of window attention; the last two stay at stride 16, so that the embedding
is SAM's (256 channels, 64 x 64 for 1024 pixels). Module names are those of the published weight file.
"""

from __future__ import annotations

from collections import OrderedDict

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sam_infer.networks.sam_modules import LayerNorm2d, window_partition, window_unpartition

WIDTHS = (64, 128, 160, 320)
DEPTHS = (2, 2, 6, 2)
HEADS = (2, 4, 5, 10)
WINDOWS = (7, 7, 14, 7)
EXPANSION = 4
EMBEDDING_WIDTH = 256

# The classifier that the encoder was first trained with; the published file still carries it.
CLASSES = 1000


class ConvNorm(nn.Sequential):
    """Convolution without bias, then batch normalisation."""

    def __init__(self, width_in: int, width_out: int, kernel: int = 1, stride: int = 1, groups: int = 1) -> None:
        conv = nn.Conv2d(width_in, width_out, kernel, stride, kernel // 2, groups=groups, bias=False)
        super().__init__(OrderedDict(c=conv, bn=nn.BatchNorm2d(width_out)))


class InvertedBottleneck(nn.Module):
    """Widen, look around in every channel, narrow again, on a skip."""

    def __init__(self, width: int) -> None:
        super().__init__()
        hidden = EXPANSION * width
        self.conv1 = ConvNorm(width, hidden)
        self.conv2 = ConvNorm(hidden, hidden, 3, groups=hidden)
        self.conv3 = ConvNorm(hidden, width)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, h, w) to the same shape."""
        wide = F.gelu(self.conv2(F.gelu(self.conv1(x))))
        return F.gelu(x + self.conv3(wide))


class Merge(nn.Module):
    """From one stage's width to the next one's, at `stride`."""

    def __init__(self, width_in: int, width_out: int, stride: int) -> None:
        super().__init__()
        self.conv1 = ConvNorm(width_in, width_out)
        self.conv2 = ConvNorm(width_out, width_out, 3, stride, groups=width_out)
        self.conv3 = ConvNorm(width_out, width_out)

    def forward(self, x: Tensor) -> Tensor:
        """(B, width_in, h, w) to (B, width_out, h / stride, w / stride)."""
        return self.conv3(F.gelu(self.conv2(F.gelu(self.conv1(x)))))


class WindowAttention(nn.Module):
    """Self-attention inside a window, with a learnt bias for every distance between two tokens."""

    bias_index: Tensor  # (window * window, window * window) int: which bias two tokens share

    def __init__(self, width: int, heads: int, window: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm = nn.LayerNorm(width)
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)
        self.attention_biases = nn.Parameter(torch.zeros(heads, window * window))
        # On the CPU even where the weights are still on the meta device: no weight file restores it.
        place = torch.arange(window, device="cpu")
        apart = (place[:, None] - place).abs()
        rows = apart.repeat_interleave(window, 0).repeat_interleave(window, 1)
        self.register_buffer("bias_index", rows * window + apart.repeat(window, window), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Tokens (n, window * window, C) to the same shape."""
        n, length, width = x.shape
        per_head = self.qkv(self.norm(x)).view(n, length, self.heads, 3, width // self.heads)
        q, k, v = per_head.permute(3, 0, 2, 1, 4)
        mixed = F.scaled_dot_product_attention(q, k, v, attn_mask=self.attention_biases[:, self.bias_index])
        return self.proj(mixed.transpose(1, 2).reshape(n, length, width))


class Mlp(nn.Module):
    """Normalisation and two linear layers."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.fc1 = nn.Linear(width, EXPANSION * width)
        self.fc2 = nn.Linear(EXPANSION * width, width)

    def forward(self, x: Tensor) -> Tensor:
        """(..., C) to the same shape."""
        return self.fc2(F.gelu(self.fc1(self.norm(x))))


class WindowBlock(nn.Module):
    """Window attention, a local convolution that joins the windows, and an MLP."""

    def __init__(self, width: int, heads: int, window: int) -> None:
        super().__init__()
        self.window = window
        self.attn = WindowAttention(width, heads, window)
        self.mlp = Mlp(width)
        self.local_conv = ConvNorm(width, width, 3, groups=width)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, h, w) to the same shape."""
        cells = x.permute(0, 2, 3, 1)
        windows, padded = window_partition(cells, self.window)
        mixed = self.attn(windows.flatten(1, 2)).view(windows.shape)
        cells = cells + window_unpartition(mixed, self.window, padded, (x.shape[2], x.shape[3]))
        cells = self.local_conv(cells.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
        return (cells + self.mlp(cells)).permute(0, 3, 1, 2)


class Stage(nn.Module):
    """Blocks of one width, then the way to the next stage."""

    def __init__(self, blocks: list[nn.Module], downsample: nn.Module | None) -> None:
        super().__init__()
        self.blocks = nn.Sequential(*blocks)
        self.downsample = downsample

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, h, w) to the next stage's input."""
        x = self.blocks(x)
        return x if self.downsample is None else self.downsample(x)


class TinyViT(nn.Module):
    """Images to SAM's embedding."""

    def __init__(self, img_size: int = 1024) -> None:
        super().__init__()
        self.img_size = img_size  # the name under which SAM's own code asks for it
        half = WIDTHS[0] // 2
        stem = nn.Sequential(ConvNorm(3, half, 3, 2), nn.GELU(), ConvNorm(half, WIDTHS[0], 3, 2))
        self.patch_embed = nn.Sequential(OrderedDict(seq=stem))
        self.layers = nn.Sequential(*(_stage(number) for number in range(len(WIDTHS))))
        self.norm_head = nn.LayerNorm(WIDTHS[-1])
        self.head = nn.Linear(WIDTHS[-1], CLASSES)
        self.neck = nn.Sequential(
            nn.Conv2d(WIDTHS[-1], EMBEDDING_WIDTH, 1, bias=False),
            LayerNorm2d(EMBEDDING_WIDTH),
            nn.Conv2d(EMBEDDING_WIDTH, EMBEDDING_WIDTH, 3, padding=1, bias=False),
            LayerNorm2d(EMBEDDING_WIDTH),
        )

    def forward(self, images: Tensor) -> Tensor:
        """Normalised images (B, 3, S, S) to (B, 256, S/16, S/16)."""
        return self.neck(self.layers(self.patch_embed(images)))


def _stage(number: int) -> Stage:
    width, last = WIDTHS[number], number == len(WIDTHS) - 1
    blocks: list[nn.Module]
    if number == 0:
        blocks = [InvertedBottleneck(width) for _ in range(DEPTHS[number])]
    else:
        blocks = [WindowBlock(width, HEADS[number], WINDOWS[number]) for _ in range(DEPTHS[number])]
    if last:
        return Stage(blocks, None)
    # The step into the last stage keeps the resolution: SAM's embedding has stride 16.
    stride = 1 if number == len(WIDTHS) - 2 else 2
    return Stage(blocks, Merge(width, WIDTHS[number + 1], stride))
