"""SAM and its relatives behind the `Backbone` protocol: same numbers as the original predictor, without its state."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F

from sam_infer.arrays import Float32Array, UInt8Array
from sam_infer.errors import ModelError
from sam_infer.networks.backbone import Candidates, Features, Hints, middle_maps, slices_seen, whole_stack
from sam_infer.networks.encode_batches import EncodeBatches
from sam_infer.networks.frame import Crop, Frame, fit_longest, fit_square
from sam_infer.networks.runtimes.precision import FLOAT32, number_type
from sam_infer.networks.runtimes.runtime import COMPILED, Runtime
from sam_infer.networks.sam_modules import Sam
from sam_infer.networks.sam_vit import PIXEL_MEAN, PIXEL_STD
from sam_infer.weights.catalogue import KNOWN_MODELS
from sam_infer.weights.fingerprint import Fingerprint
from sam_infer.weights.prompting import PLAIN, Prompting

# The decoder's first token answers a clear prompt, the other three an ambiguous one; ours come three first.
SINGLE_MASK = 3
TOKEN_ORDER = [1, 2, 3, 0]

# Features of other numbers are other features: part of the encoder's identity.
SUFFIX = {torch.float32: "", torch.float16: "-half", torch.bfloat16: "-bfloat16"}

TORCH_ALONE = Runtime()


@dataclass(frozen=True)
class Preprocessing:
    """How a network was shown its images in training."""

    name: str  # part of the encoder's identity: rename it when its numbers change
    stretches: bool  # to a square, instead of padding the shorter side
    normalise: Callable[[torch.Tensor], torch.Tensor]  # (3, h, w) of 0..255 to the values the encoder expects

    def image(self, pixels: torch.Tensor, side: int) -> torch.Tensor:
        """Model input (h, w, 3) of 0..255 as the encoder takes it: (3, side, side), zero padded at the end."""
        image = self.normalise(pixels.permute(2, 0, 1).float())
        return F.pad(image, (0, side - image.shape[2], 0, side - image.shape[1]))


def normalise_sam(pixels: torch.Tensor) -> torch.Tensor:
    """(3, h, w) of 0..255 to zero mean and unit variance of SAM's training images."""
    mean = torch.tensor(PIXEL_MEAN, device=pixels.device).view(3, 1, 1)
    std = torch.tensor(PIXEL_STD, device=pixels.device).view(3, 1, 1)
    return (pixels - mean) / std


def normalise_medsam(pixels: torch.Tensor) -> torch.Tensor:
    """(3, h, w) of 0..255 to 0..1 between the smallest and the largest value of this slice."""
    low, high = pixels.min(), pixels.max()
    return (pixels - low) / (high - low).clamp(min=1e-8)


PREPROCESSING = {
    "sam": Preprocessing("sam", stretches=False, normalise=normalise_sam),
    "medsam": Preprocessing("medsam", stretches=True, normalise=normalise_medsam),
    "sam_med2d": Preprocessing("sam_med2d", stretches=True, normalise=normalise_sam),
}


class SamBackbone:
    """A `segment_anything` network in evaluation mode.

    Threading: nothing changes after construction, so any number of threads may call it; on a GPU they share passes of
    the encoder. Features are float32 tensors on the CPU, whatever the network runs on.
    """

    follows_masks = False

    def __init__(
        self,
        name: str,
        sam: Sam,
        preprocessing: str = "sam",
        fingerprint: Fingerprint | None = None,
        precision: str = FLOAT32,
        runtime: Runtime = TORCH_ALONE,
    ) -> None:
        self.name = name
        known = KNOWN_MODELS.get(name)
        self.prompting = Prompting.of(known.prompted_like) if known is not None else PLAIN
        self._look = PREPROCESSING[preprocessing]
        identity = fingerprint or Fingerprint.of(sam.state_dict(), ("image_encoder.",), preprocessing)
        self._device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self._numbers = number_type(precision, self._device)
        self.weights_id = identity.weights
        self.encoder_id = identity.encoder + SUFFIX[self._numbers] + runtime.suffix
        self._sam = sam.to(self._device).eval()
        self.depth = slices_seen(sam.image_encoder)
        self._batches = EncodeBatches(self.encode_all) if self._device.type == "cuda" else None
        self.input_size: int = sam.image_encoder.img_size
        self.low_res: int = sam.prompt_encoder.mask_input_size[0]
        exact = self._numbers == torch.float32 or runtime.name == COMPILED
        chosen = runtime if exact else TORCH_ALONE
        self._encoder = chosen.encoder(sam.image_encoder, self.input_size, self.encoder_id, self.depth)

    def frame(self, crop: Crop, pixel_mm: tuple[float, float]) -> Frame:
        """How a part of a slice is shown: longest side filled, or stretched to a square."""
        if self._look.stretches:
            return fit_square(crop, self.input_size, "sam")
        return fit_longest(crop, pixel_mm, self.input_size, "sam")

    def encode(self, stack: UInt8Array) -> Features:
        """Model input (depth, h, w, 3) to `embedding` (1, 256, S/16, S/16)."""
        return self.encode_all([stack])[0] if self._batches is None else self._batches.encode(stack)

    @torch.inference_mode()
    def encode_all(self, stacks: Sequence[UInt8Array]) -> list[Features]:
        """Several frames in one pass."""
        shown = [np.ascontiguousarray(one) for stack in stacks for one in whole_stack(stack, self.depth)]
        images = [torch.tensor(one, device=self._device) for one in shown]
        batch = torch.stack([self._look.image(image, self.input_size) for image in images])
        with torch.autocast(self._device.type, self._numbers, enabled=self._numbers != torch.float32):
            embeddings = self._encoder(batch)
        return [{"embedding": one} for one in middle_maps(embeddings, self.depth).float().cpu().split(1)]

    @torch.inference_mode()
    def decode(self, features: Features, hints: Hints) -> Candidates:
        """Four masks, the last one the decoder's answer to a clear prompt."""
        embedding = self._embedding(features)
        sparse, dense = self._sam.prompt_encoder(*self._prompt_tensors(hints))
        logits, scores = self._sam.mask_decoder.predict_masks(
            image_embeddings=embedding,
            image_pe=self._sam.prompt_encoder.get_dense_pe(),
            sparse_prompt_embeddings=sparse,
            dense_prompt_embeddings=dense,
        )
        iou = scores[0, TOKEN_ORDER].cpu().numpy()
        preferred = int(iou[:SINGLE_MASK].argmax()) if hints.is_ambiguous else SINGLE_MASK
        return Candidates(logits[0, TOKEN_ORDER].cpu().numpy(), iou, preferred)

    @torch.inference_mode()
    def decode_clicks(self, features: Features, points_xy: Float32Array) -> tuple[Float32Array, Float32Array]:
        """Four masks for each click."""
        points = torch.tensor(points_xy, dtype=torch.float32, device=self._device)[:, None]
        labels = torch.ones(points.shape[:2], dtype=torch.int32, device=self._device)
        sparse, dense = self._sam.prompt_encoder((points, labels), None, None)
        logits, scores = self._sam.mask_decoder.predict_masks(
            image_embeddings=self._embedding(features),
            image_pe=self._sam.prompt_encoder.get_dense_pe(),
            sparse_prompt_embeddings=sparse,
            dense_prompt_embeddings=dense,
        )
        return logits[:, TOKEN_ORDER].cpu().numpy(), scores[:, TOKEN_ORDER].cpu().numpy()

    def _embedding(self, features: Features) -> torch.Tensor:
        embedding = features["embedding"].to(self._device)
        if embedding.shape[0] != 1:  # the decoder would pair every image with every prompt without complaint
            raise ModelError(f"decode takes the features of one frame, got {embedding.shape[0]}", "features")
        return embedding

    def _prompt_tensors(
        self, hints: Hints
    ) -> tuple[tuple[torch.Tensor, torch.Tensor] | None, torch.Tensor | None, torch.Tensor | None]:
        """Points (1, n, 2) with labels (1, n), box (1, 4), mask (1, 1, low_res, low_res); None where there is none."""
        points = box = mask = None
        if len(hints.labels):
            coordinates = torch.tensor(hints.points_xy, dtype=torch.float32, device=self._device)
            points = (coordinates[None], torch.tensor(hints.labels, dtype=torch.int32, device=self._device)[None])
        if hints.box_xyxy is not None:
            box = torch.tensor(hints.box_xyxy, dtype=torch.float32, device=self._device)[None]
        if hints.mask_logits is not None:
            mask = torch.tensor(hints.mask_logits, dtype=torch.float32, device=self._device)[None, None]
            if mask.shape[2:] != (self.low_res, self.low_res):
                raise ModelError(f"mask logits must be {self.low_res} x {self.low_res}, got {hints.mask_logits.shape}")
        return points, box, mask
