"""Writes sam_infer/weights/manifests: keys, shapes and number types of the published weight files.

The ViT models are what segment_anything's own builders make, on the meta device. SAM 2.1 is what its package makes of
its configurations. MobileSAM, HQ-SAM and SAM-Med2D are
no part of it: what they have more is spelled out here from the published code, independently of our implementation.

    python tests/reference/make_manifests.py [FOLDER]
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import torch
from segment_anything import sam_model_registry

from sam_infer.weights.tensor_layout import Layout, TensorSpec, layout_of, manifest_text

FOLDER = Path(__file__).parents[2] / "sam_infer" / "weights" / "manifests"
Entry = tuple[str, TensorSpec]
SAM2_CONFIGS = {
    "sam2.1_hiera_tiny": "sam2.1_hiera_t",
    "sam2.1_hiera_small": "sam2.1_hiera_s",
    "sam2.1_hiera_base_plus": "sam2.1_hiera_b+",
    "sam2.1_hiera_large": "sam2.1_hiera_l",
}


def official(name: str) -> Layout:
    with torch.device("meta"):
        return layout_of(sam_model_registry[name]().state_dict())


def mobile_sam() -> Layout:
    encoder = {f"image_encoder.{key}": spec for key, spec in mobile_encoder()}
    shared = {key: spec for key, spec in official("vit_b").items() if not key.startswith("image_encoder.")}
    return {**encoder, **shared}


def hq(name: str, width: int) -> Layout:
    """HQ-SAM: a token, its MLP, and three small stacks of convolutions beside what SAM has."""
    added = {f"mask_decoder.{key}": spec for key, spec in hq_decoder(width)}
    return {**official(name), **added}


def hq_decoder(width: int) -> Iterator[Entry]:
    yield "hf_token.weight", floats(1, 256)
    for layer, size in enumerate((256, 256, 32)):
        yield from linear(f"hf_mlp.layers.{layer}", size, 256)
    for stack, widths in {"compress_vit_feat": (width, 256, 32), "embedding_encoder": (256, 64, 32)}.items():
        yield from transposed(f"{stack}.0", widths[0], widths[1])
        yield from linear(f"{stack}.1", widths[1])
        yield from transposed(f"{stack}.3", widths[1], widths[2])
    yield from linear("embedding_maskfeature.0", 64, 32, 3, 3)
    yield from linear("embedding_maskfeature.1", 64)
    yield from linear("embedding_maskfeature.3", 32, 64, 3, 3)


def transposed(at: str, width_in: int, width_out: int) -> Iterator[Entry]:
    """A transposed convolution's weight begins with the width that goes in."""
    yield f"{at}.weight", floats(width_in, width_out, 2, 2)
    yield f"{at}.bias", floats(width_out)


def sam_med2d() -> Layout:
    """ViT-B for 256 pixels, and an adapter at the end of every block."""
    found: dict[str, TensorSpec] = {}
    for key, spec in official("vit_b").items():
        found[key] = TensorSpec(spec.dtype, (1, 16, 16, 768)) if key.endswith("pos_embed") else spec
        if "rel_pos" in key and spec.shape[0] == 127:  # blocks that attend to the whole image
            found[key] = floats(31, 64)
        if key.endswith("mlp.lin2.bias") and key.startswith("image_encoder"):
            at = key.removesuffix("mlp.lin2.bias") + "Adapter"
            found.update(linear(f"{at}.norm", 768))
            found[f"{at}.channel.0.weight"] = floats(192, 768)
            found[f"{at}.channel.2.weight"] = floats(768, 192)
            found[f"{at}.spatial.0.weight"] = floats(768, 768, 3, 3)
            found[f"{at}.spatial.2.weight"] = floats(768, 768, 4, 4)
    return found


def sam2(config: str) -> Layout:
    """What the package builds; importing it sets up hydra, which finds the configuration."""
    from sam2.build_sam import build_sam2

    network = build_sam2(f"configs/sam2.1/{config}.yaml", device="cpu")
    return layout_of(network.state_dict())


def mobile_encoder() -> Iterator[Entry]:
    yield from conv_norm("patch_embed.seq.0", 32, 3, 3)
    yield from conv_norm("patch_embed.seq.2", 64, 32, 3)
    for block in range(2):
        at = f"layers.0.blocks.{block}"
        yield from bottleneck(at, 64, 256, 64)
    yield from bottleneck("layers.0.downsample", 64, 128, 128)
    for layer, (width, depth, heads, offsets) in {
        1: (128, 2, 4, 49),
        2: (160, 6, 5, 196),
        3: (320, 2, 10, 49),
    }.items():
        for block in range(depth):
            yield from window_block(f"layers.{layer}.blocks.{block}", width, heads, offsets)
        if layer < 3:
            wider = {1: 160, 2: 320}[layer]
            yield from bottleneck(f"layers.{layer}.downsample", width, wider, wider)
    yield from linear("norm_head", 320)
    yield from linear("head", 1000, 320)
    yield "neck.0.weight", floats(256, 320, 1, 1)
    yield from linear("neck.1", 256)
    yield "neck.2.weight", floats(256, 256, 3, 3)
    yield from linear("neck.3", 256)


def window_block(at: str, width: int, heads: int, offsets: int) -> Iterator[Entry]:
    yield f"{at}.attn.attention_biases", floats(heads, offsets)
    yield from linear(f"{at}.attn.norm", width)
    yield from linear(f"{at}.attn.qkv", 3 * width, width)
    yield from linear(f"{at}.attn.proj", width, width)
    yield from linear(f"{at}.mlp.norm", width)
    yield from linear(f"{at}.mlp.fc1", 4 * width, width)
    yield from linear(f"{at}.mlp.fc2", width, 4 * width)
    yield from conv_norm(f"{at}.local_conv", width, 1, 3)


def bottleneck(at: str, width: int, hidden: int, last: int) -> Iterator[Entry]:
    """1x1, then 3x3 in every channel alone, then 1x1."""
    yield from conv_norm(f"{at}.conv1", hidden, width, 1)
    yield from conv_norm(f"{at}.conv2", hidden, 1, 3)
    yield from conv_norm(f"{at}.conv3", last, hidden, 1)


def conv_norm(at: str, width_out: int, width_in: int, kernel: int) -> Iterator[Entry]:
    yield f"{at}.c.weight", floats(width_out, width_in, kernel, kernel)
    for name in ("weight", "bias", "running_mean", "running_var"):
        yield f"{at}.bn.{name}", floats(width_out)
    yield f"{at}.bn.num_batches_tracked", TensorSpec("int64", ())


def linear(at: str, *shape: int) -> Iterator[Entry]:
    yield f"{at}.weight", floats(*shape)
    yield f"{at}.bias", floats(shape[0])


def floats(*shape: int) -> TensorSpec:
    return TensorSpec("float32", shape)


def main(folder: Path) -> None:
    for name in ("vit_b", "vit_l", "vit_h"):
        (folder / f"{name}.json").write_text(manifest_text(official(name)))
    (folder / "mobile_sam.json").write_text(manifest_text(mobile_sam()))
    for name, width in {"vit_b": 768, "vit_l": 1024, "vit_h": 1280}.items():
        (folder / f"hq_{name}.json").write_text(manifest_text(hq(name, width)))
    (folder / "sam_med2d.json").write_text(manifest_text(sam_med2d()))
    for name, config in SAM2_CONFIGS.items():
        (folder / f"{name}.json").write_text(manifest_text(sam2(config)))


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER)
