"""The embedded model behind the `Backbone` protocol."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from sam_infer.arrays import Float32Array, UInt8Array
from sam_infer.errors import ModelError
from sam_infer.files import file_sha256
from sam_infer.networks.backbone import Candidates, Features, Hints, middle_maps, slices_seen, whole_stack
from sam_infer.networks.encode_batches import EncodeBatches
from sam_infer.networks.frame import Crop, Frame, fit_longest
from sam_infer.networks.layers import side_by_side
from sam_infer.networks.tiny.many_clicks import ManyClicks
from sam_infer.networks.tiny.model import INPUT_SIZE, LOW_RES, MAP_NAMES, Decode, TinySam, pad_to_square
from sam_infer.networks.tiny.recorded import Recorded
from sam_infer.weights import shipped
from sam_infer.weights.checkpoint import read_safetensors
from sam_infer.weights.fingerprint import Fingerprint
from sam_infer.weights.prompting import Prompting
from sam_infer.weights.tensor_layout import compare, layout_of

WEIGHTS = Path(shipped.__path__[0]) / "tiny.safetensors"


ENCODER_PREFIXES = ("image_encoder.", "necks.")

# The decoder's first token answers a clear prompt, the other three an ambiguous one; ours come three first.
SINGLE_MASK = 3
TOKEN_ORDER = [1, 2, 3, 0]

# Dice rewards a pixel that is a little less likely inside than outside: on real scans a cut at this logit below zero
# was worth 0.01 for boxes, and no less for clicks.
MASK_OFFSET = np.float32(0.5)


class TinyBackbone:
    """A `TinySam` in evaluation mode; nothing changes after construction, so any number of threads may call it."""

    name = "tiny"
    input_size = INPUT_SIZE
    low_res = LOW_RES
    follows_masks = True

    def __init__(self, model: TinySam, fingerprint: Fingerprint | None = None) -> None:
        identity = fingerprint or Fingerprint.of(model.state_dict(), ENCODER_PREFIXES, "tiny")
        self.weights_id, self.encoder_id = identity.weights, identity.encoder
        self.prompting = Prompting.of(self.name)
        self._device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self._model = model.to(self._device).to(memory_format=torch.channels_last).requires_grad_(False).eval()
        self.depth = slices_seen(model.image_encoder)
        on_gpu = self._device.type == "cuda"
        self._batches = EncodeBatches(self.encode_all) if on_gpu else None
        self._encoder = self._model if on_gpu else Recorded(self._model)
        self._decoder = Decode(self._model) if on_gpu else Recorded(Decode(self._model).eval())

    @classmethod
    def embedded(cls, weights: Path = WEIGHTS) -> TinyBackbone:
        """The model with the weights that came with this package."""
        return cls(embedded_model(weights))

    @classmethod
    def random(cls, seed: int = 0) -> TinyBackbone:
        """The architecture with seeded random weights, for tests: shapes and speed of the real one, no skill."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return cls(TinySam())

    def frame(self, crop: Crop, pixel_mm: tuple[float, float]) -> Frame:
        """The crop with its longest side filling the input."""
        return fit_longest(crop, pixel_mm, self.input_size, "centre")

    def encode(self, stack: UInt8Array) -> Features:
        """Model input (depth, h, w, 3) to maps (1, C, 64, 64), (1, C, 32, 32) and (1, C, 16, 16) in half precision."""
        return self.encode_all([stack])[0] if self._batches is None else self._batches.encode(stack)

    @torch.inference_mode()
    def encode_all(self, stacks: Sequence[UInt8Array]) -> list[Features]:
        """Several frames in one pass."""
        shown = [np.ascontiguousarray(one) for stack in stacks for one in whole_stack(stack, self.depth)]
        images = [torch.tensor(one, device=self._device) for one in shown]
        # slice by slice: a stack that is permuted as a whole takes other kernels, with other last bits
        batch = [pad_to_square(image.permute(2, 0, 1)[None].float(), self.input_size) for image in images]
        encoded = dict(zip(MAP_NAMES, self._encoder(torch.cat(batch)), strict=True))
        maps = {name: middle_maps(values, self.depth).half().cpu().contiguous() for name, values in encoded.items()}
        return [{name: values[n : n + 1] for name, values in maps.items()} for n in range(len(stacks))]

    @torch.inference_mode()
    def decode(self, features: Features, hints: Hints) -> Candidates:
        """Four masks, the last one the answer to a clear prompt."""
        points = torch.tensor(hints.points_xy, dtype=torch.float32, device=self._device).reshape(1, -1, 2)
        labels = torch.tensor(hints.labels, dtype=torch.int64, device=self._device).reshape(1, -1)
        box, mask = torch.full((1, 4), torch.nan), torch.full((1, 1, LOW_RES, LOW_RES), torch.nan)
        if hints.box_xyxy is not None:
            box = torch.tensor(hints.box_xyxy, dtype=torch.float32)[None]
        if hints.mask_logits is not None:
            mask = torch.tensor(hints.mask_logits, dtype=torch.float32)[None, None]
        told = (points, labels, box.to(self._device), mask.to(self._device))
        logits, scores = self._decoder(*self._maps(features), *told)
        iou = scores[0, TOKEN_ORDER].cpu().numpy()
        masks = logits[0, TOKEN_ORDER].cpu().numpy() + MASK_OFFSET
        return Candidates(masks, iou, int(iou[:SINGLE_MASK].argmax()) if hints.is_ambiguous else SINGLE_MASK)

    @torch.inference_mode()
    def decode_clicks(self, features: Features, points_xy: Float32Array) -> tuple[Float32Array, Float32Array]:
        """Four masks for each click."""
        maps = dict(zip(MAP_NAMES, self._maps(features), strict=True))
        points = torch.tensor(points_xy, dtype=torch.float32, device=self._device)
        logits, scores = ManyClicks.on(self._model, maps).decode(points)
        return logits[:, TOKEN_ORDER].cpu().numpy() + MASK_OFFSET, scores[:, TOKEN_ORDER].cpu().numpy()

    def _maps(self, features: Features) -> list[torch.Tensor]:
        """By `MAP_NAMES`, as they are computed with."""
        return [side_by_side(features[name].to(self._device, torch.float32)) for name in MAP_NAMES]


def embedded_model(weights: Path = WEIGHTS) -> TinySam:
    """The network with the weights that came with this package, checked."""
    verify_embedded(weights)
    tensors = read_safetensors(weights)
    model = TinySam()
    found = compare(layout_of(tensors), layout_of(model.state_dict()))
    if found:
        raise ModelError(f"the embedded weights are not those of this version: {found}; install it again", "model")
    model.load_state_dict(tensors)
    return model


def verify_embedded(weights: Path = WEIGHTS) -> str:
    """SHA-256 of the embedded weights when it is the one in their manifest, else ModelError.

    Hashed at every load: the file is small.
    """
    manifest = weights.with_suffix(".json")
    if not weights.is_file() or not manifest.is_file():
        raise ModelError(
            "the embedded weights are missing: install the package again or run `samlabel pretrain`", "model"
        )
    try:
        expected = json.loads(manifest.read_text())["sha256"]
    except (ValueError, KeyError, TypeError) as error:
        raise ModelError(f"{manifest.name} is damaged: install the package again", "model") from error
    found = file_sha256(weights)
    if found != expected:
        raise ModelError(f"{weights.name} was changed or is damaged: install the package again", "model")
    return found
