"""U-Net that names labels without a prompt from the picture alone: the rival of the semantic head.

It knows nothing of the network beside it, and learns from nothing: where the embedding says little about an organ, or
a case looks unlike the ones that taught, it may be the better of the two. Every map is normalised by itself, so another
scanner's brightness and contrast change little. A label is the weights with which the finest map is read, as in the
semantic head.

In an adapter's file:

    unet/label/LABEL        (width + 1,) weights of the finest map, and a bias
    unet/value/PARAMETER    all other parameters
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import pairwise

import torch
from torch import Tensor, nn

from sam_infer.arrays import Float32Array
from sam_infer.errors import AdapterError
from sam_infer.networks.naming.semantic_head import PICTURE_MEAN, PICTURE_STD, PRIOR_LOGIT
from sam_infer.weights.fingerprint import Tensors

UNET = "unet"
UNET_LABEL, UNET_VALUE = f"{UNET}/label/", f"{UNET}/value/"

# Channels at strides 2, 4, 8 and 16 of the picture, and of the deepest maps; about as many parameters as `tiny` with
# its semantic head.
CHANNELS = (24, 48, 96, 192, 320)


class UNet(nn.Module):
    """Pictures to logits per label; `labels` are in alphabetical order, as a file gives them back."""

    name, sees_features = "the U-Net", False

    def __init__(self, labels: Iterable[str]) -> None:
        super().__init__()
        self.labels = tuple(sorted(set(labels)))
        *sides, deepest = CHANNELS
        finest = sides[0]
        self.down = nn.ModuleList(_Unit(a, b, 2) for a, b in pairwise((3, *sides)))
        self.bottom = _Unit(sides[-1], deepest, 1)
        widths = (deepest, *sides[-2::-1])
        self.up = nn.ModuleList(_Up(a + b, c) for a, b, c in zip(widths, sides[::-1], widths[1:], strict=False))
        self.reading = nn.Parameter(torch.randn(len(self.labels), 2 * finest + 1) * (2 * finest) ** -0.5)

    def forward(self, pictures: Tensor) -> Tensor:
        """Pictures (B, 3, S, S) of 0..255 to logits (B, labels, S/2, S/2)."""
        maps, seen = (pictures - PICTURE_MEAN) / PICTURE_STD, []
        for step in self.down:
            maps = step(maps)
            seen.append(maps)
        maps = self.bottom(maps)
        for step in self.up:
            maps = step(torch.cat([seen.pop(), maps], dim=1))
        maps = torch.cat([seen.pop(), maps], dim=1)
        logits = torch.einsum("bchw,lc->blhw", maps, self.reading[:, :-1]) + self.reading[:, -1, None, None]
        return logits.float() + PRIOR_LOGIT

    @torch.inference_mode()
    def answer(self, picture: Tensor, features: Mapping[str, Tensor]) -> Float32Array:
        """One picture (3, S, S) to logits (labels, S/2, S/2); the network's features are not looked at."""
        return self(picture[None].to(self.reading.device))[0].cpu().numpy()

    def tensors(self) -> dict[str, Tensor]:
        """What is kept of it, by its names in an adapter's file."""
        state = {name: value.detach().cpu().clone() for name, value in self.state_dict().items()}
        reading = state.pop("reading")
        kept = {f"{UNET_VALUE}{name}": value for name, value in state.items()}
        return kept | {f"{UNET_LABEL}{label}": reading[n].clone() for n, label in enumerate(self.labels)}

    @classmethod
    def of(cls, tensors: Tensors) -> UNet | None:
        """The U-Net in an adapter's tensors; None where there is none."""
        labels = sorted(name.removeprefix(UNET_LABEL) for name in tensors if name.startswith(UNET_LABEL))
        state = {name.removeprefix(UNET_VALUE): value for name, value in tensors.items() if name.startswith(UNET_VALUE)}
        if not labels and not state:
            return None
        try:
            state["reading"] = torch.stack([tensors[f"{UNET_LABEL}{label}"] for label in labels])
            with torch.random.fork_rng(devices=[]):  # to be replaced: the `meta` device, without values, imports sympy
                found = cls(labels)
            found.load_state_dict(state, assign=True)
        except (RuntimeError, ValueError, IndexError) as error:
            first = str(error).splitlines()[0]
            raise AdapterError(f"the adapter's U-Net does not fit this version ({first}): train again") from error
        device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        return found.to(device).requires_grad_(False).eval()


def unet_part(tensors: Tensors) -> dict[str, Tensor]:
    """The U-Net's of an adapter's tensors."""
    return {name: value for name, value in tensors.items() if name.startswith(f"{UNET}/")}


class _Unit(nn.Module):
    """Two convolutions beside a shorter way."""

    def __init__(self, channels_in: int, channels_out: int, stride: int) -> None:
        super().__init__()
        self.first = _conv(channels_in, channels_out, stride)
        self.second = _conv(channels_out, channels_out, 1)
        side = 3 if stride > 1 else 1
        self.beside = nn.Conv2d(channels_in, channels_out, side, stride, side // 2)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, h, w) to (B, channels_out, h / stride, w / stride)."""
        out: Tensor = self.second(self.first(x)) + self.beside(x)
        return out


class _Up(nn.Module):
    """Twice the resolution with fewer channels."""

    def __init__(self, channels_in: int, channels_out: int) -> None:
        super().__init__()
        self.expand = nn.Sequential(
            nn.ConvTranspose2d(channels_in, channels_out, 3, 2, 1, 1), nn.InstanceNorm2d(channels_out), nn.PReLU()
        )
        self.mix = _Unit(channels_out, channels_out, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(B, channels_in, h, w) to (B, channels_out, 2h, 2w)."""
        out: Tensor = self.mix(self.expand(x))
        return out


def _conv(channels_in: int, channels_out: int, stride: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(channels_in, channels_out, 3, stride, 1), nn.InstanceNorm2d(channels_out), nn.PReLU()
    )
