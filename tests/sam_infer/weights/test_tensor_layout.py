"""Manifests: what the published files hold, and how a departure from it is put into words."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest
import torch
from segment_anything import sam_model_registry

from sam_infer.networks.sam_vit import build
from sam_infer.weights.catalogue import KNOWN_MODELS
from sam_infer.weights.tensor_layout import (
    TensorSpec,
    compare,
    layout_of,
    manifest_text,
    parameter_count,
    published_layout,
)

ROOT = Path(__file__).parents[3]
LAYOUTS = ("vit_b", "vit_l", "vit_h", "mobile_sam", "hq_vit_b", "hq_vit_l", "hq_vit_h", "sam_med2d")
SAM2_LAYOUTS = [f"sam2.1_hiera_{size}" for size in ("tiny", "small", "base_plus", "large")]

# Size of the published mobile_sam.pt, as given by several projects that pin it.
MOBILE_SAM_BYTES = 40_728_226


@pytest.mark.parametrize(
    ("name", "encoder", "total"),
    [
        ("vit_b", 89_670_912, 93_735_472),
        ("vit_l", 308_278_272, 312_342_832),
        ("vit_h", 637_026_048, 641_090_608),
        ("mobile_sam", 6_065_532, 10_130_092),
        ("hq_vit_b", 89_670_912, 94_806_576),
        ("sam_med2d", 267_177_216, 271_241_776),  # "271M" say its authors
    ],
)
def test_parameter_totals(name: str, encoder: int, total: int) -> None:
    layout = published_layout(name)
    assert parameter_count(layout, "image_encoder.") == encoder
    assert parameter_count(layout) == total
    network = build(name)
    assert sum(p.numel() for p in network.image_encoder.parameters()) == encoder
    assert sum(p.numel() for p in network.parameters()) == total


def test_shared_parts_have_sams_totals() -> None:
    layout = published_layout("vit_b")
    assert parameter_count(layout, "prompt_encoder.") == 6_220
    assert parameter_count(layout, "mask_decoder.") == 4_058_340


@pytest.mark.parametrize("name", ["vit_b", "vit_l", "vit_h"])
def test_manifest_is_what_the_official_builder_makes(name: str) -> None:
    with torch.device("meta"):
        official = layout_of(sam_model_registry[name]().state_dict())
    assert published_layout(name) == official
    assert list(published_layout(name)) == list(official)


@pytest.mark.parametrize("name", LAYOUTS)
def test_our_architecture_has_the_manifests_layout(name: str) -> None:
    ours = layout_of(build(name).state_dict())
    assert str(compare(ours, published_layout(name))) == "none"
    assert list(ours) == list(published_layout(name))


def test_mobile_sam_has_the_published_files_size() -> None:
    sizes = {"float32": 4, "int64": 8}
    layout = published_layout("mobile_sam")
    held = sum(torch.Size(spec.shape).numel() * sizes[spec.dtype] for spec in layout.values())
    overhead_per_tensor = (MOBILE_SAM_BYTES - held) / len(layout)
    assert 200 < overhead_per_tensor < 500  # names, alignment and the zip directory


def test_the_committed_manifests_are_the_scripts(tmp_path: Path) -> None:
    pytest.importorskip("sam2")
    script = runpy.run_path(str(ROOT / "tests" / "reference" / "make_manifests.py"))
    script["main"](tmp_path)
    for name in (*LAYOUTS, *SAM2_LAYOUTS):
        assert (tmp_path / f"{name}.json").read_text() == manifest_text(published_layout(name))


def test_every_known_model_has_a_manifest_and_a_pinned_hash_or_is_never_downloaded() -> None:
    for model in KNOWN_MODELS.values():
        assert published_layout(model.layout) and model.licence
        if not model.is_pinned:
            assert model.name.startswith(("hq_", "sam2.1_")) or model.name == "sam_med2d"
            continue
        algorithm, digits = model.pinned_hash.split(":")
        assert len(digits) == {"sha256": 64, "md5": 32}[algorithm]


def test_official_names_carry_the_start_of_the_md5() -> None:
    for name in ("vit_b", "vit_l", "vit_h"):
        model = KNOWN_MODELS[name]
        assert model.md5 is not None
        assert model.file_name == f"sam_{name}_{model.md5[:6]}.pth"


def test_differences_name_the_first_and_count_the_rest() -> None:
    expected = {f"block.{n}": TensorSpec("float32", (2, 3)) for n in range(5)}
    found = {"block.0": TensorSpec("float32", (3, 2)), "extra": TensorSpec("float32", ())}
    text = str(compare(found, expected))
    assert "4 missing (block.1, block.2, block.3, and 1 more)" in text
    assert "1 unexpected (extra)" in text
    assert "block.0 float32 3x2 instead of float32 2x3" in text


def test_floating_types_convert_and_integers_do_not() -> None:
    assert TensorSpec("float32", (2,)).accepts(TensorSpec("bfloat16", (2,)))
    assert not TensorSpec("float32", (2,)).accepts(TensorSpec("int64", (2,)))
