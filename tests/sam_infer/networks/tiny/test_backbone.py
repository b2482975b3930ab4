"""The embedded model behind the protocol, and its weights: intact or refused."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from sam_infer.errors import ModelError
from sam_infer.networks.backbone import Hints
from sam_infer.networks.frame import resize_pixels, whole
from sam_infer.networks.tiny.backbone import MASK_OFFSET, WEIGHTS, TinyBackbone, verify_embedded
from sam_infer.networks.tiny.model import TinySam
from sam_infer.slices.embedding_files import read_features, write_features

NO_POINTS = np.zeros((0, 2), np.float32)
NO_LABELS = np.zeros(0, np.int64)
ONE = (np.array([[30.0, 40.0]], np.float32), np.array([1]))
BOX = np.array([10.0, 20.0, 90.0, 80.0], np.float32)


@pytest.fixture(scope="module")
def tiny() -> TinyBackbone:
    return TinyBackbone.random(seed=1)


@pytest.fixture(scope="module")
def pixels(tiny: TinyBackbone) -> np.ndarray:
    slice_ = np.random.default_rng(0).integers(0, 255, (90, 120, 3), dtype=np.uint8)
    return resize_pixels(slice_, tiny.frame(whole(90, 120), (1.0, 1.0)))


@pytest.fixture
def shipped(tmp_path: Path) -> Path:
    """Weights and manifest as the package carries them."""
    weights = tmp_path / "tiny.safetensors"
    state = TinyBackbone.random(seed=2)._model.state_dict()
    save_file({name: value.half().contiguous() for name, value in state.items()}, weights)
    digest = hashlib.sha256(weights.read_bytes()).hexdigest()
    weights.with_suffix(".json").write_text(json.dumps({"sha256": digest}))
    return weights


@pytest.mark.parametrize(
    ("hints", "preferred_is_single"),
    [
        (Hints(*ONE), False),
        (Hints(np.repeat(ONE[0], 2, axis=0), np.array([1, 0])), True),
        (Hints(NO_POINTS, NO_LABELS, BOX), True),
        (Hints(*ONE, BOX), True),
        (Hints(NO_POINTS, NO_LABELS, None, np.zeros((64, 64), np.float32)), True),
        (Hints(*ONE, BOX, np.zeros((64, 64), np.float32)), True),
    ],
)
def test_every_kind_of_prompt_is_answered(
    tiny: TinyBackbone, pixels: np.ndarray, hints: Hints, preferred_is_single: bool
) -> None:
    answer = tiny.decode(tiny.encode(pixels[None]), hints)
    assert answer.logits.shape == (4, tiny.low_res, tiny.low_res)
    assert answer.logits.dtype == np.float32
    assert answer.scores.shape == (4,)
    assert (answer.preferred == 3) == preferred_is_single
    if not preferred_is_single:
        assert answer.preferred == int(answer.scores[:3].argmax())


def test_the_three_candidates_come_before_the_single_mask(tiny: TinyBackbone, pixels: np.ndarray) -> None:
    features = tiny.encode(pixels[None])
    maps = {name: values.float() for name, values in features.items()}
    with torch.inference_mode():
        logits, _ = tiny._model.decode(maps, torch.tensor(ONE[0])[None], torch.tensor(ONE[1])[None])
    expected = logits[0, [1, 2, 3, 0]].numpy() + MASK_OFFSET
    assert np.array_equal(tiny.decode(features, Hints(*ONE)).logits, expected)


def test_features_survive_the_disk_bit_for_bit(tiny: TinyBackbone, pixels: np.ndarray, tmp_path: Path) -> None:
    features = tiny.encode(pixels[None])
    assert {values.dtype for values in features.values()} == {torch.float16}
    write_features(tmp_path / "features.safetensors", features)
    again = read_features(tmp_path / "features.safetensors")
    assert np.array_equal(tiny.decode(features, Hints(*ONE)).logits, tiny.decode(again, Hints(*ONE)).logits)


def test_half_precision_features_change_little(tiny: TinyBackbone, pixels: np.ndarray) -> None:
    exact = tiny._model.encode(torch.tensor(np.pad(pixels, ((0, 64), (0, 0), (0, 0)))).permute(2, 0, 1)[None].float())
    rounded = tiny.encode(pixels[None])
    assert max(float((exact[name] - rounded[name].float()).abs().max()) for name in exact) < 1e-2


def test_seeds_decide_the_weights() -> None:
    assert TinyBackbone.random(1).weights_id == TinyBackbone.random(1).weights_id
    assert TinyBackbone.random(1).weights_id != TinyBackbone.random(2).weights_id


def test_random_weights_leave_the_callers_generator_alone() -> None:
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    TinyBackbone.random(1)
    assert torch.equal(torch.rand(1), expected)


def test_shipped_weights_are_checked_and_loaded(shipped: Path) -> None:
    backbone = TinyBackbone.embedded(shipped)
    stored = {name: value.half().float() for name, value in TinyBackbone.random(2)._model.state_dict().items()}
    model = TinySam()
    model.load_state_dict(stored)
    assert backbone.weights_id == TinyBackbone(model).weights_id


def test_one_flipped_byte_in_the_shipped_weights_is_found(shipped: Path) -> None:
    content = bytearray(shipped.read_bytes())
    content[len(content) // 2] ^= 1
    shipped.write_bytes(content)
    with pytest.raises(ModelError, match=r"tiny\.safetensors was changed"):
        TinyBackbone.embedded(shipped)


@pytest.mark.parametrize("lost", [".safetensors", ".json"])
def test_missing_weights_say_what_to_do(shipped: Path, lost: str) -> None:
    shipped.with_suffix(lost).unlink()
    with pytest.raises(ModelError, match="install the package again or run `samlabel pretrain`"):
        TinyBackbone.embedded(shipped)


@pytest.mark.parametrize("text", ["", "{}", "[1]"])
def test_a_damaged_manifest_is_refused(shipped: Path, text: str) -> None:
    shipped.with_suffix(".json").write_text(text)
    with pytest.raises(ModelError, match=r"tiny\.json is damaged"):
        TinyBackbone.embedded(shipped)


def test_weights_of_another_version_are_refused(shipped: Path) -> None:
    save_file({"old": torch.zeros(3)}, shipped)
    digest = hashlib.sha256(shipped.read_bytes()).hexdigest()
    shipped.with_suffix(".json").write_text(json.dumps({"sha256": digest}))
    with pytest.raises(ModelError, match="not those of this version"):
        TinyBackbone.embedded(shipped)


@pytest.mark.skipif(not WEIGHTS.is_file(), reason="the embedded weights are not trained yet: run `samlabel pretrain`")
def test_the_packages_own_weights_are_intact() -> None:
    assert len(verify_embedded()) == 64
    assert TinyBackbone.embedded().name == "tiny"
