"""Trainable networks for the click dialogue: batched images in, answers to many objects out, gradients through both.

Prompts, answers and losses stay on the CPU, where the simulated reader is; only the network's own work is done on its
device.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import numpy as np
import torch
from torch import Tensor, nn

from sam_infer.adapters.kinds.kind import Told
from sam_infer.arrays import UInt8Array
from sam_infer.models.load import BaseNetwork, tiny_with
from sam_infer.networks.backbone import middle_maps, slices_seen, whole_stack
from sam_infer.networks.sam import PREPROCESSING, Preprocessing
from sam_infer.networks.sam_modules import Sam
from sam_infer.networks.sam_vit import build, with_weights
from sam_infer.networks.tiny.model import TinySam, pad_to_square
from sam_infer.weights.available import EMBEDDED
from sam_infer.weights.catalogue import KNOWN_MODELS
from sam_trainer.errors import TrainingError


class Trainable(Protocol):
    """What `hold_dialogue` needs of a network, and how images are made ready for it."""

    @property
    def network(self) -> nn.Module:
        """What trains."""
        ...

    @property
    def told(self) -> Told:
        """What is known of the images that are encoded and decoded next."""
        ...

    def image(self, stack: UInt8Array) -> Tensor:
        """Model input (depth, h, w, 3), see `Backbone`, as `encode` takes it: (3, S, S), or (depth, 3, S, S)."""
        ...

    def encode(self, images: Tensor) -> dict[str, Tensor]:
        """What `image` gave for each of B images, stacked, to features."""
        ...

    def decode(
        self, features: Mapping[str, Tensor], points: Tensor, labels: Tensor, boxes: Tensor, mask: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """Logits (N, 4, h, h) and scores (N, 4), candidate 0 for clear prompts; NaN boxes and masks are absent."""
        ...


class TrainableTiny:
    """The embedded model."""

    def __init__(self, network: TinySam, device: torch.device) -> None:
        self.network = network.to(device).eval()
        self.told = Told()
        self._device = device

    def image(self, stack: UInt8Array) -> Tensor:
        """Model input (depth, h, w, 3) as `encode` takes it: (3, S, S), of a stack (depth, 3, S, S)."""
        shown = whole_stack(stack, slices_seen(self.network.image_encoder))
        pixels = [torch.tensor(np.ascontiguousarray(one)).permute(2, 0, 1).float() for one in shown]
        images = [pad_to_square(image[None])[0] for image in pixels]
        return images[0] if len(images) == 1 else torch.stack(images)

    def encode(self, images: Tensor) -> dict[str, Tensor]:
        """What `image` gave for each of B images, stacked, to features."""
        slices = slices_seen(self.network.image_encoder)
        maps = self.network.encode(flat_stacks(images, slices).to(self._device))
        return {name: middle_maps(values, slices) for name, values in maps.items()}

    def decode(
        self, features: Mapping[str, Tensor], points: Tensor, labels: Tensor, boxes: Tensor, mask: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """Logits (N, 4, S/4, S/4) and scores (N, 4)."""
        maps = {name: value.to(self._device, torch.float32) for name, value in features.items()}
        points, labels, boxes = (said.to(self._device) for said in (points, labels, boxes))
        logits, scores = self.network.decode(
            maps, points, labels, boxes, None if mask is None else mask.to(self._device)
        )
        return logits.float().cpu(), scores.float().cpu()


class TrainableSam:
    """A `segment_anything` network."""

    def __init__(self, network: Sam, preprocessing: Preprocessing, device: torch.device) -> None:
        self.network = network.to(device).eval()
        self._look = preprocessing
        self.told = Told()
        self._device = device

    def image(self, stack: UInt8Array) -> Tensor:
        """Model input (depth, h, w, 3) as `encode` takes it: (3, S, S), of a stack (depth, 3, S, S)."""
        shown, side = whole_stack(stack, slices_seen(self.network.image_encoder)), self.network.image_encoder.img_size
        images = [self._look.image(torch.tensor(np.ascontiguousarray(one)), side) for one in shown]
        return images[0] if len(images) == 1 else torch.stack(images)

    def encode(self, images: Tensor) -> dict[str, Tensor]:
        """What `image` gave for each of B images, stacked, to features."""
        slices = slices_seen(self.network.image_encoder)
        embeddings = self.network.image_encoder(flat_stacks(images, slices).to(self._device))
        return {"embedding": middle_maps(embeddings, slices)}

    def decode(
        self, features: Mapping[str, Tensor], points: Tensor, labels: Tensor, boxes: Tensor, mask: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """Logits (N, 4, S/4, S/4) and scores (N, 4).

        One object at a time, exactly as a server asks: SAM's prompt encoder knows no absent box or mask in a batch.
        """
        position = self.network.prompt_encoder.get_dense_pe()
        answers = []
        for n, embedding in enumerate(features["embedding"].to(self._device, torch.float32)):
            said = labels[n] >= 0
            spots = (points[n, said][None].to(self._device), labels[n, said][None].to(self._device, torch.int32))
            box = None if boxes[n].isnan().any() else boxes[n][None].to(self._device)
            prior = None if mask is None or mask[n].isnan().any() else mask[n][None].to(self._device)
            sparse, dense = self.network.prompt_encoder(spots if said.any() else None, box, prior)
            answers.append(
                self.network.mask_decoder.predict_masks(
                    image_embeddings=embedding[None],
                    image_pe=position,
                    sparse_prompt_embeddings=sparse,
                    dense_prompt_embeddings=dense,
                )
            )
        logits, scores = (torch.cat(parts).float().cpu() for parts in zip(*answers, strict=True))
        return logits, scores


def flat_stacks(images: Tensor, slices: int) -> Tensor:
    """Stacks (B, slices, 3, S, S) slice by slice (B * slices, 3, S, S); where there are none, the images."""
    if (images.shape[1] if images.ndim == 5 else 1) != slices:
        raise TrainingError(f"this network looks at {slices} slices, got images of {tuple(images.shape)}")
    return images.flatten(0, 1) if images.ndim == 5 else images


class Remembered:
    """A network that was shown its images before: only its decoder works."""

    def __init__(self, network: Trainable, features: Mapping[str, Tensor]) -> None:
        self.told = network.told
        self._network = network
        self._features = features

    def encode(self, images: Tensor) -> dict[str, Tensor]:
        """The remembered features, whatever the images."""
        return dict(self._features)

    def decode(
        self, features: Mapping[str, Tensor], points: Tensor, labels: Tensor, boxes: Tensor, mask: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """What the network decodes."""
        return self._network.decode(features, points, labels, boxes, mask)


def trainable(base: BaseNetwork) -> Trainable:
    """A trainable copy of a network, on the GPU if there is one. Normalisation stays as it was trained."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    weights = {name: tensor.clone() for name, tensor in base.weights.items()}
    if base.name == EMBEDDED:
        return TrainableTiny(tiny_with(weights), device)
    known = KNOWN_MODELS[base.name]
    return TrainableSam(with_weights(build(known.layout), weights), PREPROCESSING[known.preprocessing], device)
