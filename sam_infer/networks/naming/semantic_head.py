"""Semantic head for prompt-free segmentation: one query per label, on a picture and the network's embedding of it.

A small pyramid sees the picture itself, because a few cases teach edges best where edges are still sharp; the
embedding joins it where its maps have the same resolution. Every label is a query that looks at the coarsest map and
becomes the weights with which the finest map is read: a label more is a vector more.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sam_infer.arrays import Float32Array, UInt8Array
from sam_infer.errors import AdapterError
from sam_infer.networks.layers import Residual, Up, conv_norm, to_tokens
from sam_infer.weights.fingerprint import Tensors

SEMANTIC = "semantic"
SEMANTIC_LABEL, SEMANTIC_VALUE = f"{SEMANTIC}/label/", f"{SEMANTIC}/value/"

# Side of the picture that the head looks at, whatever the network's input is, and of its answer.
PICTURE_SIDE = 256
LOGIT_SIDE = PICTURE_SIDE // 2

# Channels at levels 0 to 3 of the pyramid: strides 2, 4, 8 and 16 of the picture.
WIDTHS = (24, 32, 64, 128)
HEADS = 4

# Name of a map to where it joins: (level, channels).
Taps = Mapping[str, Iterable[tuple[int, int]]]

PICTURE_MEAN, PICTURE_STD = 100.0, 64.0

# Most pixels show none of the labels: the first answer is "no".
PRIOR_LOGIT = -2.0


class SemanticHead(nn.Module):
    """Pictures and features to logits per label; `labels` are in alphabetical order, as a file gives them back."""

    name, sees_features = "the semantic head", True

    def __init__(self, labels: Iterable[str], taps: Taps) -> None:
        super().__init__()
        self.labels = tuple(sorted(set(labels)))
        fine, small, middle, coarse = WIDTHS
        self.queries = nn.Parameter(torch.randn(len(self.labels), coarse))
        self.taps = nn.ModuleDict(
            {
                name: nn.ModuleDict({str(level): nn.Conv2d(channels, WIDTHS[level], 1) for level, channels in levels})
                for name, levels in sorted(taps.items())
            }
        )
        self.look2 = nn.Sequential(conv_norm(5, fine, 2), Residual(fine))
        self.down4, self.look4 = conv_norm(fine, small, 2), Residual(small)
        self.down8, self.look8 = conv_norm(small, middle, 2), Residual(middle)
        self.down16, self.look16 = conv_norm(middle, coarse, 2), Residual(coarse)
        self.up8, self.up4, self.up2 = Up(coarse, middle), Up(middle, small), Up(small, fine)
        self.norm = nn.LayerNorm(coarse)
        self.look = nn.MultiheadAttention(coarse, HEADS, batch_first=True)
        nn.init.zeros_(self.look.out_proj.weight)
        self.weigh = nn.Linear(coarse, fine + 1)

    def forward(self, pictures: Tensor, features: Mapping[str, Tensor]) -> Tensor:
        """Pictures (B, 3, S, S) of 0..255 and the features of the same images to logits (B, labels, S/2, S/2)."""
        x2 = self.look2(torch.cat([(pictures - PICTURE_MEAN) / PICTURE_STD, _places(pictures)], dim=1))
        x4 = self.look4(self.down4(x2) + self._tapped(features, 1))
        x8 = self.look8(self.down8(x4) + self._tapped(features, 2))
        x16 = self.look16(self.down16(x8) + self._tapped(features, 3))
        y2 = self.up2(self.up4(self.up8(x16, x8), x4), x2)
        seen = self.norm(to_tokens(x16))
        asked = self.queries.expand(len(pictures), -1, -1)
        weights = self.weigh(asked + self.look(asked, seen, seen, need_weights=False)[0])
        logits = weights[..., :-1] @ y2.flatten(2) + weights[..., -1:]
        return logits.float().view(len(pictures), len(self.labels), *y2.shape[-2:]) + PRIOR_LOGIT

    def _tapped(self, features: Mapping[str, Tensor], level: int) -> Tensor:
        """What the embedding says at one level of the pyramid."""
        side = LOGIT_SIDE >> level
        said = torch.zeros((), device=self.queries.device)
        for name, levels in self.taps.items():
            if isinstance(levels, nn.ModuleDict) and str(level) in levels:
                said = said + _resized(levels[str(level)](features[name].float()), side)
        return said

    @torch.inference_mode()
    def answer(self, picture: Tensor, features: Mapping[str, Tensor]) -> Float32Array:
        """One picture (3, S, S) and its features as they are cached to logits (labels, S/2, S/2)."""
        device = self.queries.device
        maps = {name: values.to(device) for name, values in features.items()}
        return self(picture[None].to(device), maps)[0].cpu().numpy()

    def tensors(self) -> dict[str, Tensor]:
        """What is kept of it, by its names in an adapter's file."""
        state = {name: value.detach().cpu().clone() for name, value in self.state_dict().items()}
        queries = state.pop("queries")
        kept = {f"{SEMANTIC_VALUE}{name}": value for name, value in state.items()}
        return kept | {f"{SEMANTIC_LABEL}{label}": queries[n].clone() for n, label in enumerate(self.labels)}

    @classmethod
    def of(cls, tensors: Tensors) -> SemanticHead | None:
        """The head in an adapter's tensors; None where there is none."""
        labels = sorted(name.removeprefix(SEMANTIC_LABEL) for name in tensors if name.startswith(SEMANTIC_LABEL))
        state = {
            name.removeprefix(SEMANTIC_VALUE): value
            for name, value in tensors.items()
            if name.startswith(SEMANTIC_VALUE)
        }
        if not labels and not state:
            return None
        try:
            state["queries"] = torch.stack([tensors[f"{SEMANTIC_LABEL}{label}"] for label in labels])
            with torch.random.fork_rng(devices=[]):  # to be replaced: the `meta` device, without values, imports sympy
                head = cls(labels, _taps_in(state))
            head.load_state_dict(state, assign=True)
        except (RuntimeError, ValueError, IndexError) as error:
            first = str(error).splitlines()[0]
            raise AdapterError(
                f"the adapter's semantic head does not fit this version ({first}): train again"
            ) from error
        device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        return head.to(device).requires_grad_(False).eval()


def _places(pictures: Tensor) -> Tensor:
    """Where every pixel is, from -1 to 1 across and down (B, 2, S, S): what is left and what is right."""
    side = torch.linspace(-1, 1, pictures.shape[-1], device=pictures.device)
    return torch.stack(torch.meshgrid(side, side, indexing="xy")).expand(len(pictures), -1, -1, -1)


def taps_of(features: Mapping[str, Tensor]) -> dict[str, list[tuple[int, int]]]:
    """Where the maps of an embedding join the pyramid: each at its own resolution, the coarsest also at the end."""
    last = len(WIDTHS) - 1
    coarsest = min(features, key=lambda name: features[name].shape[-1])
    found = {}
    for name, maps in features.items():
        levels = {min(range(1, last + 1), key=lambda n: abs(np.log2((LOGIT_SIDE >> n) / maps.shape[-1])))}
        found[name] = [(level, maps.shape[1]) for level in sorted(levels | ({last} if name == coarsest else set()))]
    return found


def _taps_in(state: Mapping[str, Tensor]) -> dict[str, list[tuple[int, int]]]:
    """The taps that a head's parameters belong to."""
    found: dict[str, list[tuple[int, int]]] = {}
    for key, value in state.items():
        if key.startswith("taps.") and key.endswith(".weight"):
            _, name, level, _ = key.split(".")
            found.setdefault(name, []).append((int(level), value.shape[1]))
    return found


def _resized(maps: Tensor, side: int) -> Tensor:
    if maps.shape[-1] > side:
        return F.adaptive_avg_pool2d(maps, side)
    return F.interpolate(maps, (side, side), mode="bilinear", align_corners=False)


def picture_of(pixels: UInt8Array, input_size: int) -> Tensor:
    """Model input (h, w, 3) as the head looks at it: (3, PICTURE_SIDE, PICTURE_SIDE), zero padded at the end."""
    image = torch.tensor(np.ascontiguousarray(pixels)).permute(2, 0, 1)[None].float()
    image = F.pad(image, (0, input_size - image.shape[-1], 0, input_size - image.shape[-2]))
    if input_size != PICTURE_SIDE:
        image = F.interpolate(image, (PICTURE_SIDE, PICTURE_SIDE), mode="bilinear", antialias=True)
    return image[0]
