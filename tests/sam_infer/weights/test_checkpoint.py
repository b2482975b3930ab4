"""Weight files from anywhere: the good are recognised, the others end in a sentence and leave nothing behind."""

from __future__ import annotations

import io
import os
import pickle
import zipfile
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from sam_infer.errors import ModelError
from sam_infer.weights.catalogue import KNOWN_MODELS
from sam_infer.weights.checkpoint import Checkpoint, converted, read_checkpoint, recognise
from sam_infer.weights.tensor_layout import published_layout

State = dict[str, torch.Tensor]


class Bomb:
    """Unpickling this runs a command that makes a file."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, (f"touch {self.trace}",)


def empty(layout: str) -> State:
    """A layout in a file of a few kilobytes: every tensor is one stored zero, repeated."""
    return {
        key: torch.zeros((), dtype=spec.torch_dtype).expand(spec.shape)
        for key, spec in published_layout(layout).items()
    }


def empty_vit_b() -> State:
    return empty("vit_b")


def refusal(path: Path, name: str | None = None) -> str:
    with pytest.raises(ModelError) as caught:
        recognise(read_checkpoint(path), name)
    sentence = str(caught.value)
    assert path.name in sentence
    assert "\n" not in sentence and len(sentence) < 500
    return sentence


def saved(state: object, path: Path) -> Path:
    torch.save(state, path)
    return path


def test_a_mobile_sam_file_is_recognised(mobile_file: Path) -> None:
    assert recognise(read_checkpoint(mobile_file)) is KNOWN_MODELS["mobile_sam"]


def test_safetensors_are_read_too(mobile_state: State, tmp_path: Path) -> None:
    path = tmp_path / "weights.bin"  # the content says what it is, not the name
    save_file(mobile_state, path)
    checkpoint = read_checkpoint(path)
    assert recognise(checkpoint).name == "mobile_sam"
    assert torch.equal(checkpoint.tensors["image_encoder.neck.0.weight"], mobile_state["image_encoder.neck.0.weight"])


def test_the_old_torch_format_is_read(tmp_path: Path) -> None:
    path = tmp_path / "old.pth"
    torch.save(empty_vit_b(), path, _use_new_zipfile_serialization=False)
    assert recognise(read_checkpoint(path)).name == "vit_b"


@pytest.mark.parametrize("wrapper", ["model", "state_dict"])
def test_a_training_checkpoint_is_unwrapped(tmp_path: Path, wrapper: str) -> None:
    state = {wrapper: empty_vit_b(), "epoch": 3}
    assert recognise(read_checkpoint(saved(state, tmp_path / "run.pth"))).name == "vit_b"


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("hq_vit_b", "sam_hq_vit_b.pth"),
        ("hq_vit_l", "mine.pth"),
        ("hq_vit_h", "x.pth"),
        ("sam_med2d", "sam-med2d_b.pth"),
        ("sam2.1_hiera_tiny", "sam2.1_hiera_tiny.pt"),
    ],
)
def test_relatives_of_sam_are_recognised_by_keys_and_shapes(tmp_path: Path, name: str, file: str) -> None:
    state = {"model": empty(name), "optimizer": {}} if name in ("sam_med2d", "sam2.1_hiera_tiny") else empty(name)
    assert recognise(read_checkpoint(saved(state, tmp_path / file))).name == name


def test_a_relative_with_another_encoder_is_refused_by_what_it_has(tmp_path: Path) -> None:
    added = {key: tensor for key, tensor in empty("hq_vit_b").items() if key not in empty_vit_b()}
    sentence = refusal(saved({**empty("mobile_sam"), **added}, tmp_path / "sam_hq_vit_tiny.pth"))
    assert "nearest is mobile_sam" in sentence and "unexpected (mask_decoder.hf_token.weight" in sentence


@pytest.mark.parametrize(
    ("file_name", "wish", "expected"),
    [
        ("mine.pth", None, "vit_b"),
        ("mine.pth", "medsam", "medsam"),
        ("my_MedSAM.pth", None, "medsam"),
        ("medsam_vit_b_tuned.pth", None, "medsam"),
        ("medsam_vit_b_tuned.pth", "vit_b", "vit_b"),
    ],
)
def test_vit_b_and_medsam_are_told_apart_by_name_or_wish(
    tmp_path: Path, file_name: str, wish: str | None, expected: str
) -> None:
    checkpoint = read_checkpoint(saved(empty_vit_b(), tmp_path / file_name))
    assert recognise(checkpoint, wish).name == expected


def test_a_published_file_is_known_by_its_hash(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    checkpoint = read_checkpoint(saved(empty_vit_b(), tmp_path / "renamed.pth"))
    model = KNOWN_MODELS["medsam"]
    monkeypatch.setitem(KNOWN_MODELS, "medsam", type(model)(**{**vars(model), "md5": checkpoint.md5}))
    assert recognise(checkpoint).name == "medsam"
    with pytest.raises(ModelError, match="is the published medsam, not vit_b"):
        recognise(checkpoint, "vit_b")


@pytest.mark.parametrize("name", [model.file_name for model in KNOWN_MODELS.values() if model.layout == "vit_b"])
def test_another_file_under_an_official_name_is_refused(tmp_path: Path, name: str) -> None:
    sentence = refusal(saved(empty_vit_b(), tmp_path / name))
    assert "named like the published file" in sentence
    assert "MD5 of " + ("01ec64" if name.startswith("sam") else "3bb6db") in sentence


def test_a_truncated_file_is_refused(mobile_file: Path, tmp_path: Path) -> None:
    path = tmp_path / "half.pt"
    path.write_bytes(mobile_file.read_bytes()[: mobile_file.stat().st_size // 2])
    assert "truncated" in refusal(path)


def test_truncated_safetensors_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "half.safetensors"
    save_file({"a": torch.zeros(1000)}, path)
    path.write_bytes(path.read_bytes()[:-100])
    assert "truncated" in refusal(path)


@pytest.mark.parametrize("form", ["pickle", "old torch", "zip"])
def test_a_pickle_bomb_is_refused_and_does_not_go_off(tmp_path: Path, form: str) -> None:
    trace, path = tmp_path / "it went off", tmp_path / "sam_vit_b_01ec64.pth"
    state = {"image_encoder.pos_embed": Bomb(trace)}
    if form == "pickle":
        path.write_bytes(pickle.dumps(state))
    elif form == "old torch":
        torch.save(state, path, _use_new_zipfile_serialization=False)
    else:
        torch.save(state, path)
    assert "could run code" in refusal(path)
    assert not trace.exists()
    assert list(tmp_path.iterdir()) == [path]


def test_the_bomb_of_these_tests_is_real(tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    pickle.loads(pickle.dumps(Bomb(trace)))
    assert trace.exists()


def test_missing_renamed_and_reshaped_tensors_are_named(tmp_path: Path) -> None:
    state = empty_vit_b()
    state["extra.weight"] = state.pop("mask_decoder.iou_token.weight")
    state["image_encoder.pos_embed"] = torch.zeros(1, 32, 32, 768)
    sentence = refusal(saved(state, tmp_path / "odd.pth"))
    assert "nearest is vit_b" in sentence
    assert "1 missing (mask_decoder.iou_token.weight)" in sentence
    assert "1 unexpected (extra.weight)" in sentence
    assert "image_encoder.pos_embed float32 1x32x32x768 instead of float32 1x64x64x768" in sentence


def test_a_file_of_another_network_is_refused(tmp_path: Path) -> None:
    sentence = refusal(saved({"conv1.weight": torch.zeros(64, 3, 7, 7)}, tmp_path / "resnet.pth"))
    assert "none of vit_b, vit_l, vit_h, medsam, mobile_sam" in sentence


def test_the_wrong_wish_is_refused(mobile_file: Path) -> None:
    assert "is not vit_l" in refusal(mobile_file, "vit_l")


def test_an_unknown_wish_is_refused(mobile_file: Path) -> None:
    with pytest.raises(ModelError, match="'vit_x' is not a model that takes a file"):
        recognise(read_checkpoint(mobile_file), "vit_x")


@pytest.mark.parametrize("value", [torch.nan, torch.inf, -torch.inf])
def test_values_that_are_not_finite_are_refused(mobile_file: Path, mobile_state: State, value: float) -> None:
    model = KNOWN_MODELS["mobile_sam"]
    broken = mobile_state["mask_decoder.iou_token.weight"].clone()
    broken[0, 7] = value
    tensors = {**mobile_state, "mask_decoder.iou_token.weight": broken}
    with pytest.raises(ModelError, match=r"not finite, e\.g\. in mask_decoder\.iou_token\.weight"):
        converted(Checkpoint(mobile_file, tensors, "", ""), model)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty"),
        (b"<!DOCTYPE html><html>not found</html>", "is not a weight file"),
        (b"PK\x03\x04" + b"\0" * 64, "truncated"),
        (b"\x80\x02garbage", "truncated|could run code"),
        (b"\xff\xff\xff\xff\xff\xff\xff\x7f{}", "truncated"),
        (b"cos\nsystem\n(S'true'\ntR.", "is not a weight file"),
    ],
)
def test_what_is_no_weight_file_is_refused(tmp_path: Path, content: bytes, words: str) -> None:
    path = tmp_path / "file.pth"
    path.write_bytes(content)
    assert any(word in refusal(path) for word in words.split("|"))


@pytest.mark.parametrize("state", [[1, 2], {"a": 1}, {}, {1: torch.zeros(1)}, torch.zeros(2)])
def test_what_holds_no_named_tensors_is_refused(tmp_path: Path, state: object) -> None:
    assert "no named tensors" in refusal(saved(state, tmp_path / "other.pth"))


def test_a_zip_that_is_no_checkpoint_is_refused(tmp_path: Path) -> None:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as file:
        file.writestr("readme.txt", "hello")
    path = tmp_path / "archive.pth"
    path.write_bytes(content.getvalue())
    assert "truncated or damaged" in refusal(path)


def test_a_missing_file_and_a_folder_are_refused(tmp_path: Path) -> None:
    for path in (tmp_path / "nothing.pth", tmp_path):
        with pytest.raises(ModelError, match="there is no file"):
            read_checkpoint(path)
