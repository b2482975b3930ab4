"""The model store: what was added is what is loaded, or it is refused."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pooch
import pytest
import torch

from sam_infer.errors import ModelError
from sam_infer.home import default_home
from sam_infer.weights.catalogue import KNOWN_MODELS
from sam_infer.weights.store import ModelStore

State = dict[str, torch.Tensor]


@pytest.fixture(scope="module")
def added(scratch: Path, mobile_file: Path) -> Path:
    """The home of a store with one model."""
    ModelStore(scratch / "home").add(mobile_file)
    return scratch / "home"


@pytest.fixture
def store(tmp_path: Path, added: Path) -> Iterator[ModelStore]:
    """A copy of that store, times included, to be damaged."""
    shutil.copytree(added, tmp_path / "home")
    yield ModelStore(tmp_path / "home")
    shutil.rmtree(tmp_path / "home")


def flip_byte(path: Path, keep_times: bool = False) -> None:
    """Change one byte in the middle, leaving the size."""
    stat = path.stat()
    with path.open("r+b") as file:
        file.seek(stat.st_size // 2)
        byte = file.read(1)[0]
        file.seek(-1, os.SEEK_CUR)
        file.write(bytes([byte ^ 1]))
    # A clock may be too coarse to see two changes within one tick: a real change is seconds away.
    shift = 0 if keep_times else 1_000_000_000
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns + shift))


def test_what_was_added_is_loaded(store: ModelStore, mobile_state: State) -> None:
    stored, tensors = store.load("mobile_sam")
    assert tensors.keys() == mobile_state.keys()
    assert all(torch.equal(tensors[key], mobile_state[key]) for key in tensors)
    assert stored.source == "trained_here.pt"
    assert not stored.published
    assert stored.parameters == 10_130_092
    assert store.names() == ["mobile_sam"]


def test_half_precision_is_stored_as_the_layout_says(tmp_path: Path, mobile_state: State) -> None:
    file = tmp_path / "half.pt"
    torch.save({key: value.half() if value.is_floating_point() else value for key, value in mobile_state.items()}, file)
    store = ModelStore(tmp_path / "home")
    store.add(file)
    assert store.load("mobile_sam")[1]["image_encoder.neck.0.weight"].dtype == torch.float32


def test_tensors_that_share_memory_are_stored(tmp_path: Path, mobile_state: State) -> None:
    shared = dict(mobile_state)
    shared["image_encoder.norm_head.bias"] = shared["image_encoder.norm_head.weight"]
    file = tmp_path / "shared.pt"
    torch.save(shared, file)
    store = ModelStore(tmp_path / "home")
    store.add(file)
    loaded = store.load("mobile_sam")[1]
    assert torch.equal(loaded["image_encoder.norm_head.bias"], mobile_state["image_encoder.norm_head.weight"])


def test_the_same_weights_have_the_same_ids_wherever_they_come_from(store: ModelStore, tmp_path: Path) -> None:
    again = ModelStore(tmp_path / "other").add(store.weights_path("mobile_sam"))
    first = store.record("mobile_sam")
    assert (again.weights_id, again.encoder_id, again.sha256) == (first.weights_id, first.encoder_id, first.sha256)


def test_one_flipped_byte_is_found_at_load(store: ModelStore) -> None:
    store.load("mobile_sam")
    flip_byte(store.weights_path("mobile_sam"))
    for attempt in (store.load, store.verify, store.load):
        with pytest.raises(ModelError, match="weights of mobile_sam were changed"):
            attempt("mobile_sam")


def test_a_flipped_byte_that_hides_behind_its_old_time_is_found_by_verify(store: ModelStore) -> None:
    flip_byte(store.weights_path("mobile_sam"), keep_times=True)
    with pytest.raises(ModelError, match="were changed"):
        store.verify("mobile_sam")


def test_an_untouched_file_is_hashed_once(store: ModelStore, monkeypatch: pytest.MonkeyPatch) -> None:
    hashed: list[Path] = []
    monkeypatch.setattr("sam_infer.weights.store.file_sha256", lambda path: hashed.append(path) or stored.sha256)
    stored = store.record("mobile_sam")
    store.load("mobile_sam")
    assert hashed == []
    os.utime(store.weights_path("mobile_sam"), ns=(1, 1))
    store.load("mobile_sam")
    store.load("mobile_sam")
    assert len(hashed) == 1
    store.verify("mobile_sam")
    assert len(hashed) == 2


def test_a_store_that_cannot_be_written_still_loads(store: ModelStore, monkeypatch: pytest.MonkeyPatch) -> None:
    os.utime(store.weights_path("mobile_sam"), ns=(1, 1))

    def refuse(self: ModelStore, stored: object) -> None:
        raise PermissionError("read-only")

    monkeypatch.setattr(ModelStore, "_write", refuse)
    assert store.load("mobile_sam")[0].verified_mtime_ns == 1


def test_truncated_and_missing_weights_are_refused(store: ModelStore) -> None:
    weights = store.weights_path("mobile_sam")
    os.truncate(weights, weights.stat().st_size - 1)
    with pytest.raises(ModelError, match="were changed"):
        store.load("mobile_sam")
    weights.unlink()
    with pytest.raises(ModelError, match="are missing"):
        store.load("mobile_sam")


@pytest.mark.parametrize("text", ["", "{", "[]", '{"name": "mobile_sam"}'])
def test_a_damaged_record_is_refused(store: ModelStore, text: str) -> None:
    (store.folder / "mobile_sam" / "model.json").write_text(text)
    with pytest.raises(ModelError, match="record of mobile_sam is damaged"):
        store.load("mobile_sam")


def test_adding_again_replaces_and_leaves_no_litter(store: ModelStore, mobile_file: Path) -> None:
    flip_byte(store.weights_path("mobile_sam"))
    store.add(mobile_file)
    store.load("mobile_sam")
    assert sorted(path.name for path in (store.folder / "mobile_sam").iterdir()) == [
        "model.json",
        "weights.safetensors",
    ]


def test_a_failed_write_keeps_the_old_model(
    store: ModelStore, mobile_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = store.record("mobile_sam")

    def full_disk(tensors: State, path: Path) -> None:
        path.write_bytes(b"half")
        raise OSError("no space left on device")

    monkeypatch.setattr("sam_infer.weights.store.save_file", full_disk)
    with pytest.raises(OSError, match="no space"):
        store.add(mobile_file)
    assert store.verify("mobile_sam") == before
    assert len(list((store.folder / "mobile_sam").iterdir())) == 2


def test_a_refused_file_leaves_no_trace(tmp_path: Path) -> None:
    file = tmp_path / "other.pth"
    torch.save({"a": torch.zeros(1)}, file)
    with pytest.raises(ModelError):
        ModelStore(tmp_path / "home").add(file)
    assert not (tmp_path / "home").exists()


def test_a_model_that_was_not_added_says_how_to_get_it(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"samlabel models fetch vit_l.*samlabel models add"):
        ModelStore(tmp_path).load("vit_l")


def test_home_comes_from_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAMLABEL_HOME", str(tmp_path / "there"))
    assert default_home() == tmp_path / "there"
    monkeypatch.delenv("SAMLABEL_HOME")
    assert default_home() == Path.home() / ".local" / "share" / "samlabel"


class FakeServer:
    """Stands where pooch reads from the network."""

    def __init__(self, content: Path | Exception) -> None:
        self.content = content
        self.urls: list[str] = []

    def __call__(self, **_: Any) -> FakeServer:
        return self

    def download(self, url: str, target: str, _: object) -> None:
        self.urls.append(url)
        if isinstance(self.content, Exception):
            raise self.content
        Path(target).write_bytes(self.content.read_bytes())


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> Any:
    def start(content: Path | Exception) -> FakeServer:
        server = FakeServer(content)
        monkeypatch.setattr(pooch, "HTTPDownloader", lambda **_: server.download)
        return server

    return start


def test_fetch_downloads_checks_and_adds(
    tmp_path: Path, mobile_file: Path, serve: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = KNOWN_MODELS["mobile_sam"]
    digest = pooch.file_hash(str(mobile_file))
    monkeypatch.setitem(KNOWN_MODELS, "mobile_sam", type(model)(**{**vars(model), "sha256": digest}))
    server = serve(mobile_file)
    stored = ModelStore(tmp_path).fetch("mobile_sam")
    assert server.urls == [model.url]
    assert stored.published and stored.source == "mobile_sam.pt"
    assert ModelStore(tmp_path).load("mobile_sam")[0] == stored
    assert sorted(path.name for path in (tmp_path / "models").iterdir()) == ["mobile_sam"]


def test_fetch_refuses_another_file(tmp_path: Path, mobile_file: Path, serve: Any) -> None:
    serve(mobile_file)
    with pytest.raises(ModelError, match=r"mobile_sam could not be downloaded.*hash"):
        ModelStore(tmp_path).fetch("mobile_sam")
    assert list((tmp_path / "models").iterdir()) == []


def test_fetch_without_a_network_says_what_to_do(tmp_path: Path, serve: Any) -> None:
    serve(ConnectionError("Name or service not known"))
    with pytest.raises(ModelError, match=r"Name or service not known.*another machine.*add sam_vit_h_4b8939.pth"):
        ModelStore(tmp_path).fetch("vit_h")


def test_fetch_of_an_unknown_name_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="'tiny' cannot be downloaded"):
        ModelStore(tmp_path).fetch("tiny")


def test_the_record_is_plain_json(store: ModelStore) -> None:
    record = json.loads((store.folder / "mobile_sam" / "model.json").read_text())
    assert record["name"] == "mobile_sam" and len(record["sha256"]) == 64
