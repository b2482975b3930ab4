"""SAM 2's own predictors, built by its package from its configurations, on frames that are tensors."""

from __future__ import annotations

import warnings
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

TINY = "configs/sam2.1/sam2.1_hiera_t.yaml"

# A network of every kind of layer, small enough for every run of the tests.
SMALL = (
    "++model.image_size=128",
    "++model.image_encoder.trunk.embed_dim=16",
    "++model.image_encoder.trunk.stages=[1,1,2,1]",
    "++model.image_encoder.trunk.global_att_blocks=[3]",
    "++model.image_encoder.neck.backbone_channel_list=[128,64,32,16]",
)


def video_predictor(changes: tuple[str, ...] = ()) -> Any:
    """`SAM2VideoPredictor` of the tiny model; holes are filled by a CUDA kernel, which is left out."""
    from sam2.build_sam import build_sam2_video_predictor

    predictor = build_sam2_video_predictor(TINY, device="cpu", hydra_overrides_extra=list(changes))
    predictor.fill_hole_area = 0
    return predictor


def image_predictor(state: dict[str, torch.Tensor]) -> Any:
    """`SAM2ImagePredictor` of the whole tiny model around weights."""
    from sam2.build_sam import build_sam2
    from sam2.sam2_image_predictor import SAM2ImagePredictor

    network = build_sam2(TINY, device="cpu")
    network.load_state_dict(state)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # about torch's script compiler, which the package uses
        return SAM2ImagePredictor(network)


def state_of(predictor: Any, frames: torch.Tensor) -> dict[str, Any]:
    """What `init_state` makes of a folder of JPEG files, of frames (n, 3, S, S) as the network takes them."""
    per_object = ("point_inputs", "mask_inputs", "output_dict", "temp_output_dict", "frames_tracked")
    return {
        "images": frames,
        "num_frames": len(frames),
        "offload_video_to_cpu": False,
        "offload_state_to_cpu": False,
        "video_height": predictor.image_size // 4,  # masks come as the network gives them
        "video_width": predictor.image_size // 4,
        "device": torch.device("cpu"),
        "storage_device": torch.device("cpu"),
        "cached_features": {},
        "constants": {},
        "obj_id_to_idx": OrderedDict(),
        "obj_idx_to_id": OrderedDict(),
        "obj_ids": [],
        **{f"{name}_per_obj": {} for name in per_object},
    }


def normalised(frames: torch.Tensor) -> torch.Tensor:
    """Frames (n, S, S, 3) of 0..255 as the package's loader gives them."""
    mean, std = torch.tensor((0.485, 0.456, 0.406)), torch.tensor((0.229, 0.224, 0.225))
    return ((frames.float() / 255.0 - mean) / std).permute(0, 3, 1, 2).contiguous()


@contextmanager
def encoded_once(predictor: Any) -> Iterator[None]:
    """The package's predictor with every frame encoded once: it keeps the last one only."""
    known: dict[bytes, Any] = {}
    encode = predictor.forward_image

    def forward_image(image: torch.Tensor) -> Any:
        key = image.numpy().tobytes()
        if key not in known:
            known[key] = encode(image)
        return {name: list(value) for name, value in known[key].items() if isinstance(value, list)}

    predictor.forward_image = forward_image
    try:
        yield
    finally:
        del predictor.forward_image
