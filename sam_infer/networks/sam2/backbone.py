"""SAM 2 behind the `Backbone` protocol: the numbers of its image predictor, without its state."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from sam_infer.arrays import BoolArray, Float32Array, UInt8Array
from sam_infer.errors import ModelError
from sam_infer.networks.backbone import Candidates, Features, Hints, only_slice
from sam_infer.networks.encode_batches import EncodeBatches
from sam_infer.networks.frame import Crop, Frame, fit_square
from sam_infer.networks.runtimes.precision import FLOAT32, number_type
from sam_infer.networks.sam import SINGLE_MASK, SUFFIX
from sam_infer.networks.sam2.memory import Levels, MemoryNetwork
from sam_infer.networks.sam2.modules import SAM2Base
from sam_infer.networks.slice_memory import Remembered, SliceMemory
from sam_infer.weights.fingerprint import Fingerprint
from sam_infer.weights.prompting import PLAIN
from sam_infer.weights.store import ENCODER_PREFIX

# Means and deviations of the RGB values that SAM 2 was trained on, of 0..1.
PIXEL_MEAN = (0.485, 0.456, 0.406)
PIXEL_STD = (0.229, 0.224, 0.225)

# Corners of a box are points of a kind of their own.
CORNERS = (2, 3)


class Sam2Backbone:
    """A SAM 2 in evaluation mode, with a memory (`RemembersSlices`).

    Threading: nothing changes after construction, so any number of threads may call it; on a GPU they share passes of
    the encoder. Features are float32 tensors on the CPU, whatever the network runs on.
    """

    depth = 1
    follows_masks = False
    prompting = PLAIN

    def __init__(
        self, name: str, network: SAM2Base, fingerprint: Fingerprint | None = None, precision: str = FLOAT32
    ) -> None:
        self.name = name
        identity = fingerprint or Fingerprint.of(network.state_dict(), ENCODER_PREFIX, "sam2")
        self._device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self._numbers = number_type(precision, self._device)
        self.weights_id = identity.weights
        self.encoder_id = identity.encoder + SUFFIX[self._numbers]
        self._network = network.to(self._device).eval()
        self._memory = MemoryNetwork(self._network)
        self._batches = EncodeBatches(self.encode_all) if self._device.type == "cuda" else None
        self.input_size: int = network.image_size
        self.low_res: int = network.image_size // 4
        self.most_remembered = self._memory.most_remembered

    def frame(self, crop: Crop, pixel_mm: tuple[float, float]) -> Frame:
        """Stretched to a square, as in training."""
        return fit_square(crop, self.input_size, "sam", "bilinear")

    def encode(self, stack: UInt8Array) -> Features:
        """Model input (1, S, S, 3) to three levels: `embedding`, `middle` and `fine`, at strides 16, 8 and 4."""
        return self.encode_all([stack])[0] if self._batches is None else self._batches.encode(stack)

    @torch.inference_mode()
    def encode_all(self, stacks: Sequence[UInt8Array]) -> list[Features]:
        """Several frames in one pass."""
        images = [torch.tensor(np.ascontiguousarray(only_slice(stack)), device=self._device) for stack in stacks]
        mean = torch.tensor(PIXEL_MEAN, device=self._device).view(3, 1, 1)
        std = torch.tensor(PIXEL_STD, device=self._device).view(3, 1, 1)
        batch = (torch.stack(images).permute(0, 3, 1, 2).contiguous().float() / 255.0 - mean) / std
        with torch.autocast(self._device.type, self._numbers, enabled=self._numbers != torch.float32):
            fine, middle, embedding = self._network.forward_image(batch)["backbone_fpn"]
        levels = {"embedding": embedding, "middle": middle, "fine": fine}
        split = {name: level.float().cpu().split(1) for name, level in levels.items()}
        return [{name: split[name][n] for name in split} for n in range(len(stacks))]

    @torch.inference_mode()
    def decode(self, features: Features, hints: Hints) -> Candidates:
        """Four masks, the last one the decoder's answer to a clear prompt."""
        logits, scores = self._masks(features, self._points(hints), self._mask(hints))
        iou = scores[0].cpu().numpy()
        preferred = int(iou[:SINGLE_MASK].argmax()) if hints.is_ambiguous else SINGLE_MASK
        return Candidates(logits[0].cpu().numpy(), iou, preferred)

    @torch.inference_mode()
    def decode_clicks(self, features: Features, points_xy: Float32Array) -> tuple[Float32Array, Float32Array]:
        """Four masks for each click."""
        points = torch.tensor(points_xy, dtype=torch.float32, device=self._device)[:, None]
        labels = torch.ones(points.shape[:2], dtype=torch.int32, device=self._device)
        logits, scores = self._masks(features, (points, labels), None)
        return logits.cpu().numpy(), scores.cpu().numpy()

    @torch.inference_mode()
    def prompted(self, features: Features, hints: Hints) -> Remembered:
        """The object that points and a box mean on a slice, seen without any memory."""
        points = self._points(hints)
        if points is None:
            raise ModelError("there is neither a point nor a box", "hints")
        return self._memory.prompted(self._levels(features), points)

    @torch.inference_mode()
    def given(self, features: Features, mask: BoolArray) -> Remembered:
        """The object where a mask (input_size, input_size) says that it is."""
        return self._memory.given(self._levels(features), torch.tensor(mask, device=self._device)[None, None])

    @torch.inference_mode()
    def recalled(self, features: Features, index: int, memory: SliceMemory, hints: Hints | None = None) -> Remembered:
        """The remembered object on slice `index`; `hints` correct it: points, and the mask that they are about."""
        points, mask = (self._points(hints), self._mask(hints)) if hints is not None else (None, None)
        return self._memory.recalled(self._levels(features), index, memory, points, mask)

    def _masks(
        self, features: Features, points: tuple[torch.Tensor, torch.Tensor] | None, mask: torch.Tensor | None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Logits (N, 4, low_res, low_res) and predicted IoU (N, 4) of N prompts."""
        decoder, encoder = self._network.sam_mask_decoder, self._network.sam_prompt_encoder
        levels = self._levels(features)
        sparse, dense = encoder(points=points, boxes=None, masks=mask)
        logits, scores, _, _ = decoder.predict_masks(
            image_embeddings=levels.embedding + self._network.no_mem_embed.view(1, -1, 1, 1),
            image_pe=encoder.get_dense_pe(),
            sparse_prompt_embeddings=sparse,
            dense_prompt_embeddings=dense,
            repeat_image=len(sparse) > 1,
            high_res_features=[levels.fine, levels.middle],
        )
        one, its_score = decoder._dynamic_multimask_via_stability(logits, scores)
        return torch.cat([logits[:, 1:], one], dim=1), torch.cat([scores[:, 1:], its_score], dim=1)

    def _levels(self, features: Features) -> Levels:
        levels = Levels(*(features[name].to(self._device) for name in ("fine", "middle", "embedding")))
        if len(levels.embedding) != 1:
            raise ModelError(f"decode takes the features of one frame, got {len(levels.embedding)}", "features")
        return levels

    def _points(self, hints: Hints) -> tuple[torch.Tensor, torch.Tensor] | None:
        """Points (1, n, 2) and labels (1, n), a box as the first two; None where nothing is pointed at."""
        places, labels = hints.points_xy.reshape(-1, 2), hints.labels
        if hints.box_xyxy is not None:
            places = np.concatenate([hints.box_xyxy.reshape(2, 2), places])
            labels = np.concatenate([CORNERS, labels])
        if not len(labels):
            return None
        coordinates = torch.tensor(places, dtype=torch.float32, device=self._device)
        return coordinates[None], torch.tensor(labels, dtype=torch.int32, device=self._device)[None]

    def _mask(self, hints: Hints) -> torch.Tensor | None:
        """A mask prompt (1, 1, low_res, low_res)."""
        if hints.mask_logits is None:
            return None
        if hints.mask_logits.shape != (self.low_res, self.low_res):
            raise ModelError(f"mask logits must be {self.low_res} x {self.low_res}, got {hints.mask_logits.shape}")
        return torch.tensor(hints.mask_logits, dtype=torch.float32, device=self._device)[None, None]
