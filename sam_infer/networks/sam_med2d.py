"""SAM-Med2D: a small ViT-B SAM with an adapter beside the MLP of every block of its encoder."""

from __future__ import annotations

from functools import partial

from torch import Tensor, nn

from sam_infer.networks.sam_modules import Block, ImageEncoderViT, window_partition, window_unpartition

# Channels are weighed by a bottleneck of a quarter of their number.
BOTTLENECK = 4


class AdapterLayer(nn.Module):
    """Weighs channels by their mean, looks around at half the resolution, on a skip. Names are the published file's."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.channel = nn.Sequential(
            nn.Linear(width, width // BOTTLENECK, bias=False),
            nn.ReLU(),
            nn.Linear(width // BOTTLENECK, width, bias=False),
            nn.Sigmoid(),
        )
        self.spatial = nn.Sequential(
            nn.Conv2d(width, width, 3, 2, 1, bias=False),
            nn.ReLU(),
            nn.ConvTranspose2d(width, width, 4, 2, 1, bias=False),
            nn.ReLU(),
        )

    def forward(self, x: Tensor) -> Tensor:
        """(B, h, w, C) to the same shape; h and w even."""
        x = x.permute(0, 3, 1, 2)
        weighed = x * self.channel(x.mean(dim=(2, 3)))[..., None, None]
        return self.norm((x + self.spatial(weighed)).permute(0, 2, 3, 1))


class AdaptedBlock(Block):
    """SAM's transformer block with an adapter that reads what the MLP reads."""

    def __init__(self, width: int, heads: int, window: int, grid: int) -> None:
        super().__init__(
            width,
            heads,
            norm_layer=partial(nn.LayerNorm, eps=1e-6),
            use_rel_pos=True,
            window_size=window,
            input_size=(grid, grid),
        )
        self.Adapter = AdapterLayer(width)

    def forward(self, x: Tensor) -> Tensor:
        """(B, h, w, C) to the same shape."""
        if self.window_size:
            windows, padded = window_partition(self.norm1(x), self.window_size)
            mixed = window_unpartition(self.attn(windows), self.window_size, padded, (x.shape[1], x.shape[2]))
        else:
            mixed = self.attn(self.norm1(x))
        x = x + mixed
        read = self.norm2(x)
        return x + self.mlp(read) + self.Adapter(read)


def with_adapters(encoder: ImageEncoderViT, width: int, heads: int, grid: int) -> ImageEncoderViT:
    """The encoder with a block that has an adapter in the place of each of its own."""
    for number, block in enumerate(encoder.blocks):
        encoder.blocks[number] = AdaptedBlock(width, heads, block.window_size, grid)
    return encoder
