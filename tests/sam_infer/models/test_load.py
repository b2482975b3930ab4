"""One place turns a name into a network, or says why not."""

from __future__ import annotations

from pathlib import Path

import pytest

from sam_infer.errors import ModelError
from sam_infer.models.load import load_backbone
from sam_infer.networks.sam import SamBackbone
from sam_infer.weights.available import MODEL_NAMES
from sam_infer.weights.prompting import Prompting
from sam_infer.weights.store import ModelStore


def test_every_model_of_this_version_has_a_name() -> None:
    sam = ("vit_b", "vit_l", "vit_h", "medsam", "mobile_sam")
    sam2 = [f"sam2.1_hiera_{size}" for size in ("tiny", "small", "base_plus", "large")]
    assert MODEL_NAMES == ("tiny", *sam, "hq_vit_b", "hq_vit_l", "hq_vit_h", "sam_med2d", *sam2)


def test_mobile_sam_is_loaded_from_the_store(mobile_file: Path) -> None:
    stored = ModelStore().add(mobile_file)
    backbone = load_backbone("mobile_sam")
    assert isinstance(backbone, SamBackbone)
    assert (backbone.name, backbone.input_size, backbone.low_res) == ("mobile_sam", 1024, 256)
    assert backbone.weights_id == stored.weights_id and backbone.prompting == Prompting.of("mobile_sam")


@pytest.mark.parametrize("name", ["vit_b", "medsam", "mobile_sam"])
def test_a_model_without_weights_says_how_to_get_them(name: str, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=f"samlabel models fetch {name}") as caught:
        load_backbone(name, tmp_path)
    assert caught.value.field == "model"


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("hq_vit_b", "sam_hq_vit_b.pth"),
        ("sam_med2d", "sam-med2d_b.pth from https://github.com/OpenGVLab"),
        ("sam2.1_hiera_tiny", "sam2.1_hiera_tiny.pt"),
    ],
)
def test_a_model_whose_hash_is_not_known_is_got_by_hand(name: str, file: str, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=f"has not been added: download {file}"):
        load_backbone(name, tmp_path)
    with pytest.raises(ModelError, match=f"not downloaded, since its hash is not known: get {file.split()[0]}"):
        ModelStore(tmp_path).fetch(name)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("sam2.1_tiny", "there is no model 'sam2.1_tiny'"),
        ("vit_g", "there is no model 'vit_g'; choose from tiny, vit_b"),
        ("../tiny", "there is no model"),
        ("", "there is no model"),
    ],
)
def test_a_name_that_is_no_model_is_refused(name: str, words: str) -> None:
    with pytest.raises(ModelError, match=words) as caught:
        load_backbone(name)
    assert caught.value.field == "model"
