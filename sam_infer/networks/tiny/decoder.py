"""The mask decoder of the embedded model: prompts meet the image as maps and as tokens."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from sam_infer.networks.layers import Residual, Up, conv_norm, mlp, to_tokens
from sam_infer.networks.sam_modules import TwoWayTransformer
from sam_infer.networks.tiny.encoder import Block, to_map
from sam_infer.networks.tiny.prompt_maps import MAPS, DrawnPrompts
from sam_infer.networks.tiny.similarity import Similarity

# One mask for clear prompts, three for an ambiguous one: part, whole, or more.
MASK_TOKENS = 4


class TinyDecoder(nn.Module):
    """SAM's contract (an IoU token, mask tokens, hypernetworks) on a prompt-conditioned pyramid."""

    def __init__(self, width: int, widths: tuple[int, int], heads: int) -> None:
        super().__init__()
        fine, middle = widths
        self.draw = nn.Conv2d(MAPS, fine, 3, 1, 1)
        self.look4 = conv_norm(fine, fine, 1)
        self.down8 = nn.Conv2d(fine, middle, 3, 2, 1)
        self.look8 = Residual(middle)
        self.likeness = Similarity(width, middle)
        self.down16 = nn.Conv2d(middle, width, 3, 2, 1)
        self.context = Block(width, heads)
        self.transformer = TwoWayTransformer(depth=2, embedding_dim=width, num_heads=heads, mlp_dim=2 * width)
        self.iou_token = nn.Embedding(1, width)
        self.mask_tokens = nn.Embedding(MASK_TOKENS, width)
        self.up8 = Up(width, middle)
        self.up4 = Up(middle, fine)
        self.hypernetworks = nn.ModuleList(mlp(width, width, fine + 1) for _ in range(MASK_TOKENS))
        self.iou_head = mlp(2 * width + fine + 2, width, 1)

    def forward(
        self, maps: tuple[Tensor, Tensor, Tensor], position: Tensor, said: DrawnPrompts, sparse: Tensor, dense: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Masks of N objects.

        `maps` are the image at strides 4, 8, 16, one for each object or one for all; `position` (1, width, g, g) and
        `dense` (N, width, g, g) are the prompt encoder's, `sparse` (N, n + 2, width) its tokens, points first.
        Returns logits (N, MASK_TOKENS, 4g, 4g) and predicted IoU (N, MASK_TOKENS).
        """
        alike, content = self.likeness(maps[1:], said.points, said.labels, said.maps)
        sparse = torch.cat([sparse[:, :-2] + content, sparse[:, -2:]], dim=1)
        x4 = self.look4(maps[0] + self.draw(said.maps))
        x8 = self.look8(maps[1] + self.down8(x4) + alike)
        x16 = maps[2] + self.down16(x8) + dense
        grid = (x16.shape[-2], x16.shape[-1])
        x16 = to_map(self.context(to_tokens(x16)), grid)
        tokens = torch.cat([self.iou_token.weight, self.mask_tokens.weight])
        tokens = torch.cat([tokens.expand(len(sparse), -1, -1), sparse], dim=1)
        tokens, x16 = self.transformer(x16, position.expand(len(sparse), -1, -1, -1), tokens)
        return self.answer(tokens, self.up4(self.up8(to_map(x16, grid), x8), x4))

    def answer(self, tokens: Tensor, fine: Tensor) -> tuple[Tensor, Tensor]:
        """What `forward` returns, of the tokens (N, t, width) and the finest map (N, C, 4g, 4g)."""
        mask_tokens = tokens[:, 1 : 1 + len(self.hypernetworks)]
        weights = torch.stack([net(mask_tokens[:, i]) for i, net in enumerate(self.hypernetworks)], dim=1)
        flat = fine.flatten(2)
        logits = (weights[..., :-1] @ flat + weights[..., -1:]).float()
        iou = self._predict_iou(tokens[:, :1], mask_tokens, logits.detach(), flat)
        return logits.view(len(tokens), -1, *fine.shape[-2:]), iou

    def _predict_iou(self, iou_token: Tensor, mask_tokens: Tensor, logits: Tensor, flat: Tensor) -> Tensor:
        """(N, MASK_TOKENS) from the tokens, what the mask covers, and how far it depends on the threshold."""
        inside = torch.sigmoid(logits)
        area = inside.sum(dim=-1, keepdim=True)
        seen = inside.to(flat.dtype) @ flat.transpose(1, 2) / (area + 1).to(flat.dtype)
        stable = torch.sigmoid(3 * logits - 6).sum(-1, keepdim=True)
        stable = stable / (torch.sigmoid(3 * logits + 6).sum(-1, keepdim=True) + 1)
        share = (area / logits.shape[-1]).sqrt()
        parts = [iou_token.expand_as(mask_tokens), mask_tokens, seen, stable, share]
        return torch.sigmoid(self.iou_head(torch.cat([part.to(seen.dtype) for part in parts], dim=-1)).float())[..., 0]
