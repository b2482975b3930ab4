"""The embedded model: a SAM-shaped network small enough for the repository and for a laptop CPU."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sam_infer.networks.sam_modules import PromptEncoder
from sam_infer.networks.tiny.decoder import TinyDecoder
from sam_infer.networks.tiny.encoder import TinyEncoder
from sam_infer.networks.tiny.prompt_maps import draw_prompts

INPUT_SIZE = 256
STRIDE = 16
MAP_NAMES = ("stride4", "stride8", "stride16")
LOW_RES = 64

# Grey levels are centred and scaled by fixed numbers: the same pixels give the same features whatever is around them.
PIXEL_MEAN, PIXEL_STD = 100.0, 64.0


class TinySam(nn.Module):
    """Images to features once, prompts to masks often.

    Points are (x, y) in model pixels, where an integer is the centre of a pixel. Boxes are the object's outer edges
    less half a pixel: (left edge - 0.5, top edge - 0.5, right edge - 0.5, bottom edge - 0.5), so that the prompt
    encoder's own half pixel makes them edges again. Other square inputs than 256 pixels work if 16 divides them.
    """

    def __init__(self, width: int = 192, depth: int = 6, decoder_width: int = 128) -> None:
        super().__init__()
        grid = INPUT_SIZE // STRIDE
        fine, middle = 32, 64
        self.image_encoder = TinyEncoder(width, depth, width // 32, grid)
        self.necks = nn.ModuleList(nn.Conv2d(a, b, 1) for a, b in ((48, fine), (96, middle), (width, decoder_width)))
        self.prompt_encoder = PromptEncoder(decoder_width, (grid, grid), (INPUT_SIZE, INPUT_SIZE), 16)
        self.mask_decoder = TinyDecoder(decoder_width, (fine, middle), decoder_width // 32)

    def encode(self, images: Tensor) -> dict[str, Tensor]:
        """Images (B, 3, S, S), 0 to 255, zero padded at the bottom and right, to maps at strides 4, 8 and 16."""
        return dict(zip(MAP_NAMES, self.forward(images), strict=True))

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """What `encode` returns, by `MAP_NAMES`."""
        maps = self.image_encoder((images - PIXEL_MEAN) / PIXEL_STD)
        return tuple(neck(x) for neck, x in zip(self.necks, maps, strict=True))

    def decode(
        self,
        features: Mapping[str, Tensor],
        points: Tensor,
        labels: Tensor,
        boxes: Tensor | None = None,
        mask_logits: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Logits (N, 4, S/4, S/4) and predicted IoU (N, 4) of N objects; mask 0 is for clear prompts, as in SAM.

        `features` of one image serve all objects, or have one item per object. `points` (N, n, 2), `labels` (N, n)
        with 1 foreground, 0 background, -1 padding; `boxes` (N, 4) and `mask_logits` (N, 1, S/4, S/4) where NaN in an
        object's row means that it has none.
        """
        points = points.float()
        maps = (features["stride4"], features["stride8"], features["stride16"])
        count, grid = len(points), maps[2].shape[-1]
        size = STRIDE * grid
        if boxes is None:
            boxes = points.new_full((count, 4), torch.nan)
        if mask_logits is None:
            mask_logits = points.new_full((count, 1, 4 * grid, 4 * grid), torch.nan)
        drawn = draw_prompts((points + 0.5) / size, labels, (boxes + 0.5) / size, mask_logits)
        to_full = INPUT_SIZE / size
        sparse = self._tokens((points + 0.5) * to_full - 0.5, labels, (boxes + 0.5) * to_full - 0.5)
        position = self.prompt_encoder.pe_layer((grid, grid))[None]
        logits, iou = self.mask_decoder(maps, position, drawn, sparse, self._dense(mask_logits))
        return logits, iou

    def _tokens(self, points: Tensor, labels: Tensor, boxes: Tensor) -> Tensor:
        """Prompt tokens (N, n + 2, width) as SAM's prompt encoder makes them, which asks what was said before it does.

        An absent box is two "not a point" tokens.
        """
        encoder = self.prompt_encoder
        places = partial(encoder.pe_layer.forward_with_coords, image_size=encoder.input_image_size)
        own = encoder.point_embeddings
        seen, said, nothing = places(points + 0.5), labels[..., None], encoder.not_a_point_embed.weight
        clicked = torch.where(said == 0, seen + own[0].weight, seen + own[1].weight)
        corners = places((torch.nan_to_num(boxes) + 0.5).view(-1, 2, 2)) + torch.cat([own[2].weight, own[3].weight])
        corners = torch.where(boxes[:, :1, None].isnan(), nothing, corners)
        return torch.cat([torch.where(said == -1, nothing, clicked), corners], dim=1)

    def _dense(self, mask_logits: Tensor) -> Tensor:
        """Mask prompts (N, 1, 4g, 4g) as (N, width, g, g); without one, SAM's "no mask" vector everywhere."""
        absent = mask_logits[:, :, :1, :1].isnan()
        clean = torch.nan_to_num(mask_logits).clamp(-8, 8)
        _, dense = self.prompt_encoder(None, None, clean)
        _, nothing = self.prompt_encoder(None, None, None)
        if nothing.shape[-1] != dense.shape[-1]:
            nothing = F.interpolate(nothing, dense.shape[-2:])
        return torch.where(absent, nothing, dense)


class Decode(nn.Module):
    """`TinySam.decode` of tensors alone, so that its operations can be recorded."""

    def __init__(self, model: TinySam) -> None:
        super().__init__()
        self.model = model

    def forward(self, *told: Tensor) -> tuple[Tensor, Tensor]:
        """Of the features in the order of `MAP_NAMES`, points, labels, boxes and mask logits."""
        fine, middle, coarse, points, labels, boxes, mask = told
        maps = dict(zip(MAP_NAMES, (fine, middle, coarse), strict=True))
        return self.model.decode(maps, points, labels, boxes, mask)


def pad_to_square(images: Tensor, side: int = INPUT_SIZE) -> Tensor:
    """Images (B, 3, h, w) zero padded at the bottom and right to (B, 3, side, side)."""
    return F.pad(images, (0, side - images.shape[-1], 0, side - images.shape[-2]))
