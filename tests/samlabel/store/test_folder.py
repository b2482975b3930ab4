"""The studies folder: nothing lost between threads and processes, nothing half written, nothing outside."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sam_infer.errors import SamError, VolumeError
from sam_infer.imaging.geometry import Geometry
from sam_infer.imaging.image_file import write_image, write_mask
from sam_infer.imaging.itk_image import LPS_TO_RAS
from sam_infer.imaging.volume import Mask, Volume
from samlabel.access.identity import acting_as
from samlabel.errors import NotFoundError, UnsafeNameError
from tests.processes import HANG_S, running, wait_until

ROOT = Path(__file__).parents[3]

GRID = Geometry((6, 5, 4), LPS_TO_RAS)


def image_file(path: Path, value: int = 0) -> Path:
    return write_image(Volume(np.full(GRID.shape, value, np.int16), GRID), path)


def label_file(path: Path, value: int = 1) -> Path:
    return write_mask(Mask(np.full(GRID.shape, value, np.uint8, order="F"), GRID), path)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("a", "b", "c"):
        image_file(tmp_path / "studies" / f"{name}.nii.gz")
    return tmp_path / "studies"


@pytest.fixture
def make(folder: Path) -> Iterator[Any]:
    from samlabel.store.folder import StudyStore

    stores = []

    def new(auto_reload: bool = False) -> StudyStore:
        stores.append(StudyStore(str(folder), auto_reload=auto_reload))
        return stores[-1]

    yield new
    for store in stores:
        store.close()


def record(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "datastore_v2.json").read_text())["objects"]


def test_images_and_labels_of_a_folder(make: Any, folder: Path, tmp_path: Path) -> None:
    label_file(folder / "labels" / "final" / "b.nrrd")
    image_file(folder / ".hidden.nii.gz")
    (folder / "._a.nii.gz").write_bytes(b"what macOS leaves behind")
    store = make()
    assert sorted(store.list_images()) == ["a", "b", "c"]
    assert store.get_labeled_images() == ["b"]
    assert store.get_label_uri("b", "final").endswith("b.nrrd")
    assert store.status() == {"total": 3, "completed": 1, "label_tags": {"final": 1}}


def test_without_labels_there_is_no_dataset(make: Any) -> None:
    """The host failed with an assertion, and the client was told 500."""
    with pytest.raises(NotFoundError, match="no accepted label yet"):
        make().get_dataset_archive(None)


def test_two_stores_on_one_folder_lose_nothing(make: Any, folder: Path, tmp_path: Path) -> None:
    one, two = make(), make()
    label = str(label_file(tmp_path / "l.nii.gz"))
    for number in range(20):
        one.save_label("a", label, f"tag-{number}", {"n": number})
        two.update_image_info("a", {f"score-{number}": number})
        two.update_image_info("b", {"n": number})
    written = record(folder)
    assert len(written["a"]["labels"]) == 20
    assert all(written["a"]["labels"][f"tag-{n}"]["info"]["n"] == n for n in range(20))
    assert all(written["a"]["image"]["info"][f"score-{n}"] == n for n in range(20))


@pytest.mark.slow
def test_two_processes_lose_nothing(make: Any, folder: Path, tmp_path: Path) -> None:
    store, label = make(), label_file(tmp_path / "l.nii.gz")
    with running([sys.executable, "-m", "tests.samlabel.store.scores", str(folder), "30"], cwd=ROOT) as other:
        wait_until(lambda: (folder / "ready").exists() or other.poll() is not None, "the other process", every_s=0.1)
        (folder / "go").touch()
        for n in range(30):
            store.save_label("a", str(label), f"tag-{n}", {"n": n})
        assert other.wait(HANG_S) == 0
    written = record(folder)
    assert sum(label["info"].get("n", -1) >= 0 for label in written["a"]["labels"].values()) == 30
    assert sum(f"score-{n}" in written["a"]["image"]["info"] for n in range(30)) == 30


@pytest.mark.slow
def test_readers_are_never_disturbed_by_writers(make: Any, folder: Path, tmp_path: Path) -> None:
    store = make()
    label = str(label_file(tmp_path / "l.nii.gz"))
    failures: list[BaseException] = []
    over = threading.Event()

    def read() -> None:
        while not over.is_set():
            try:
                assert set(store.list_images()) == {"a", "b", "c"}
                assert store.status()["total"] == 3
                json.dumps(store.json())
            except BaseException as error:  # noqa: BLE001 - shown by the test
                failures.append(error)
                return

    readers = [threading.Thread(target=read) for _ in range(3)]
    for thread in readers:
        thread.start()
    for number in range(15):
        store.save_label("a", label, f"t{number}", {})
        store.refresh()
    over.set()
    for thread in readers:
        thread.join()
    assert failures == []


def test_files_that_come_and_go_are_seen(make: Any, folder: Path) -> None:
    store = make(auto_reload=True)
    image_file(folder.parent / "later.nii.gz").rename(folder / "later.nii.gz")
    image_file(folder / "written.nii.gz")
    (folder / "c.nii.gz").unlink()
    wait_until(lambda: set(store.list_images()) == {"a", "b", "later", "written"}, "three changes are seen", 0.1)


def test_another_process_s_changes_are_seen_while_running(make: Any, folder: Path) -> None:
    watching, other = make(auto_reload=True), make()
    other.update_image_info("a", {"seen": True})
    wait_until(lambda: watching.get_image_info("a").get("seen") is True, "the other's change is seen", 0.1)


def test_a_damaged_record_is_set_aside(make: Any, folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    (folder / "datastore_v2.json").write_text('{"name": "x", "obj')
    assert sorted(make().list_images()) == ["a", "b", "c"]
    assert len(list(folder.glob("datastore_v2.json.damaged-*"))) == 1


def test_a_failing_write_leaves_the_old_record(make: Any, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = make()
    before = record(folder)

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("sam_infer.files.os.fsync", full)
    with pytest.raises(OSError, match="No space"):
        store.update_image_info("a", {"x": 1})
    assert record(folder) == before


def test_a_new_label_replaces_the_old_file_of_another_type(make: Any, folder: Path, tmp_path: Path) -> None:
    store = make()
    with acting_as("dr.who"):
        store.save_label("a", str(label_file(tmp_path / "one.nrrd")), "final", {"label_info": [{"name": "liver"}]})
        store.save_label("a", str(label_file(tmp_path / "two.nii.gz", 2)), "final", {})
    assert [path.name for path in (folder / "labels" / "final").iterdir()] == ["a.nii.gz"]
    info = store.get_label_info("a", "final")
    assert info["reader"] == "dr.who" and info["name"] == "a.nii.gz"


def test_add_and_remove(make: Any, folder: Path, tmp_path: Path) -> None:
    store = make()
    new = str(image_file(tmp_path / "x.nrrd", 7))
    assert store.add_image("Case 7 (left).v2", new, {"client_id": "c"}) == "Case 7 (left).v2"
    assert Path(store.get_image_uri("Case 7 (left).v2")).read_bytes() == Path(new).read_bytes()
    store.save_label("Case 7 (left).v2", str(label_file(tmp_path / "y.nii.gz")), "final", {})
    store.remove_image("Case 7 (left).v2")
    assert not [path for path in folder.rglob("Case 7*")]
    assert "Case 7 (left).v2" not in record(folder)


@pytest.mark.parametrize("name", ["", "../x", "/x", "a/b", "a\\b", ".x", "..", "x\n", "x\0", "~x", "x" * 201, " x"])
def test_names_that_are_refused(make: Any, folder: Path, tmp_path: Path, name: str) -> None:
    store = make()
    new, label = str(image_file(tmp_path / ".nii.gz")), str(label_file(tmp_path / "l.nii.gz"))
    before = sorted(str(path) for path in folder.parent.rglob("*"))
    with pytest.raises(SamError):
        store.add_image(name, new, {})
    with pytest.raises(SamError):
        store.save_label(name, label, "final", {})
    with pytest.raises(UnsafeNameError):
        store.get_image_uri(name)
    with pytest.raises(SamError):
        store.remove_image(name)
    assert sorted(str(path) for path in folder.parent.rglob("*")) == before


@pytest.mark.parametrize("tag", ["", "../x", "/x", "a b", "x" * 65, "final/..", "\0", None, 7])
def test_tags_that_are_refused(make: Any, folder: Path, tmp_path: Path, tag: Any) -> None:
    store, label = make(), str(label_file(tmp_path / "l.nii.gz"))
    with pytest.raises(UnsafeNameError):
        store.save_label("a", label, tag, {})
    with pytest.raises(UnsafeNameError):
        store.get_label_uri("a", tag)
    assert sorted(path.name for path in (folder / "labels").iterdir()) == ["final", "original"]


def test_an_image_is_not_replaced_by_one_of_another_type(make: Any, tmp_path: Path) -> None:
    with pytest.raises(VolumeError, match="already"):
        make().add_image("a", str(image_file(tmp_path / "a.nrrd")), {})


def test_what_is_not_there(make: Any) -> None:
    store = make()
    for question in (
        lambda: store.get_image_uri("z"),
        lambda: store.get_label_uri("a", "final"),
        lambda: store.update_image_info("z", {}),
        lambda: store.update_label_info("a", "final", {}),
        lambda: store.remove_label("a", "final"),
    ):
        with pytest.raises(NotFoundError):
            question()


def test_the_label_of_a_photograph_needs_only_its_shape(make: Any, folder: Path, tmp_path: Path) -> None:
    flat = Geometry((8, 6, 1), LPS_TO_RAS)
    write_image(Volume(np.zeros((8, 6, 1, 3), np.uint8), flat, "RGB"), folder / "photo.png")
    store = make()
    moved = Geometry((8, 6, 1), np.diag([0.5, 0.5, 1, 1]))
    mask = write_mask(Mask(np.ones((8, 6, 1), np.uint8, order="F"), moved), tmp_path / "m.nii.gz")
    store.save_label("photo", str(mask), "final", {})
    wrong = write_mask(Mask.empty(Geometry((6, 8, 1), LPS_TO_RAS)), tmp_path / "w.nii.gz")
    with pytest.raises(VolumeError, match="label"):
        store.save_label("photo", str(wrong), "final", {})
