"""Packages of npm become viewers, or are refused whole; which one is served."""

from __future__ import annotations

import gzip
import io
import tarfile
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from sam_infer.home import default_home
from samlabel.errors import ViewerError
from samlabel.viewer import installed
from samlabel.viewer.installed import BUILTIN, ViewerStore, hashes, served_viewer

PAGE, CONFIG = b"<html>OHIF</html>", b"window.config = {};"


def package(path: Path, version: str = "9.1.0", name: str = "@ohif/app", **more: bytes | None) -> Path:
    """A small package as npm packs it; `more` are further files below `package/`, None leaves one out."""
    files: dict[str, bytes | None] = {
        "package.json": f'{{"name": "{name}", "version": "{version}"}}'.encode(),
        "dist/index.html": PAGE,
        "dist/app-config.js": CONFIG,
        "dist/assets/app.js": b"1",
        **more,
    }
    return packed(path, {f"package/{key}": value for key, value in files.items() if value is not None})


def packed(path: Path, files: Mapping[str, bytes], *odd: tarfile.TarInfo) -> Path:
    with tarfile.open(path, "w:gz") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
        for member in odd:
            tar.addfile(member)
    return path


def member(name: str, kind: bytes, target: str = "") -> tarfile.TarInfo:
    made = tarfile.TarInfo(name)
    made.type, made.linkname = kind, target
    return made


def left_behind(store: ViewerStore) -> list[str]:
    return sorted(path.name for path in store.folder.glob("*")) if store.folder.exists() else []


def test_a_package_is_unpacked_and_served(tmp_path: Path) -> None:
    store = ViewerStore()
    assert served_viewer() is None and store.served() == BUILTIN and store.viewers() == []
    file = package(tmp_path / "ohif.tgz")
    added = store.add(file)
    assert (added.version, added.files, added.is_tried) == ("9.1.0", 4, False)
    assert (added.integrity, added.shasum) == hashes(file)
    served = served_viewer()
    assert served == default_home() / "viewer" / "9.1.0" / "dist"
    assert (served / "index.html").read_bytes() == PAGE and (served / "assets" / "app.js").read_bytes() == b"1"
    assert left_behind(store) == ["9.1.0", "served"] and store.viewers() == [added]


def test_hashes_are_those_of_npm(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"abc")
    sha512, sha1 = hashes(tmp_path / "x")
    assert sha1 == "a9993e364706816aba3e25717850c26c9cd0d89d"
    assert sha512.startswith("sha512-3a81oZNherrMQXNJriBBMRLm+k6JqX6iCp7u5ktV05ohkpkqJ0") and sha512.endswith("==")


def test_one_of_several_is_served_and_the_wheel_s_comes_back(tmp_path: Path) -> None:
    store = ViewerStore()
    for version in ("9.10.0", "9.2.0", "9.2.0-beta.1"):
        store.add(package(tmp_path / f"{version}.tgz", version))
    assert [viewer.version for viewer in store.viewers()] == ["9.2.0", "9.2.0-beta.1", "9.10.0"]
    assert store.served() == "9.2.0-beta.1"
    store.use("9.10.0")
    assert served_viewer() == store.folder / "9.10.0" / "dist"
    store.use(BUILTIN)
    assert served_viewer() is None
    with pytest.raises(ViewerError, match=r"no viewer '9.3.0'; choose from builtin, 9.2.0"):
        store.use("9.3.0")


def test_a_viewer_that_was_deleted_by_hand_is_no_longer_served(tmp_path: Path) -> None:
    store = ViewerStore()
    store.add(package(tmp_path / "a.tgz"))
    (store.folder / "9.1.0" / "dist" / "index.html").unlink()
    assert served_viewer() is None
    (store.folder / "served").write_text("../../etc\n")
    assert served_viewer() is None


def test_the_same_file_again_is_served_and_another_one_refused(tmp_path: Path) -> None:
    store = ViewerStore()
    first = store.add(package(tmp_path / "a.tgz"))
    store.use(BUILTIN)
    assert store.add(tmp_path / "a.tgz") == first and store.served() == "9.1.0"
    other = package(tmp_path / "b.tgz", **{"dist/more.js": b"2"})
    with pytest.raises(ViewerError, match=r"another file of version 9.1.0 was added before"):
        store.add(other)
    assert store.viewers() == [first] and left_behind(store) == ["9.1.0", "served"]


def test_a_hash_that_was_given_must_fit(tmp_path: Path) -> None:
    file = package(tmp_path / "a.tgz")
    for good in hashes(file):
        assert ViewerStore().add(file, good).version == "9.1.0"
    with pytest.raises(ViewerError, match="another file than expected"):
        ViewerStore().add(file, "sha512-AAAA")


def test_what_claims_to_be_a_known_version_must_be_it(tmp_path: Path) -> None:
    with pytest.raises(ViewerError, match=r"says that it is @ohif/app 3.13.2, and is not"):
        ViewerStore().add(package(tmp_path / "a.tgz", "3.13.2"))
    assert left_behind(ViewerStore()) == []


Maker = Callable[[Path], Path]


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda path: package(path, name="@ohif/core"), "expected '@ohif/app'"),
        (lambda path: package(path, version="../../x"), "is none"),
        (lambda path: package(path, version="3.13"), "is none"),
        (lambda path: package(path, **{"package.json": None}), "no package.json"),
        (lambda path: package(path, **{"package.json": b"[]"}), "no package.json"),
        (lambda path: package(path, **{"dist/index.html": None}), "no dist/index.html"),
        (lambda path: package(path, **{"dist/app-config.js": None}), "no dist/app-config.js"),
        (lambda path: package(path, **{"../../outside": b"x"}), "lies outside"),
        (lambda path: packed(path, {"/etc/x": b"x"}), "lies outside"),
        (lambda path: packed(path, {"other/x": b"x"}), "lies outside"),
        (lambda path: packed(path, {"package/a\\..\\b": b"x"}), "lies outside"),
        (lambda path: packed(path, {}, member("package/x", tarfile.SYMTYPE, "/etc/passwd")), "no plain file"),
        (lambda path: packed(path, {}, member("package/x", tarfile.LNKTYPE, "package/y")), "no plain file"),
        (lambda path: packed(path, {}, member("package/x", tarfile.FIFOTYPE)), "no plain file"),
        (lambda path: packed(path, {"package/a": b"1", "package//a": b"2"}), "no package as npm packs it"),
    ],
)
def test_what_is_refused_leaves_nothing_behind(tmp_path: Path, make: Maker, words: str) -> None:
    file = make(tmp_path / "bad.tgz")
    with pytest.raises(ViewerError, match=words):
        ViewerStore().add(file)
    assert left_behind(ViewerStore()) == [] and not (tmp_path / "outside").exists() and served_viewer() is None


@pytest.mark.parametrize("content", [b"", b"no archive", gzip.compress(b"no archive" * 100, mtime=0)])
def test_what_is_no_archive(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.tgz").write_bytes(content)
    with pytest.raises(ViewerError):
        ViewerStore().add(tmp_path / "x.tgz")
    assert left_behind(ViewerStore()) == []


def test_a_torn_file_is_refused(tmp_path: Path) -> None:
    whole = package(tmp_path / "a.tgz", **{"dist/big.bin": bytes(range(256)) * 4000}).read_bytes()
    (tmp_path / "torn.tgz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ViewerError, match="no package as npm packs it"):
        ViewerStore().add(tmp_path / "torn.tgz")
    assert left_behind(ViewerStore()) == []


@pytest.mark.parametrize(
    ("limit", "value", "words"),
    [
        ("MOST_PACKED", 100, "larger than"),
        ("MOST_UNPACKED", 30_000, "unpacks to more than|holds more than"),
        ("MOST_FILES", 3, "more than 3 files"),
    ],
)
def test_too_much_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: str, value: int, words: str
) -> None:
    monkeypatch.setattr(installed, limit, value)
    file = package(tmp_path / "bomb.tgz", **{"dist/zeros.bin": bytes(100_000)})
    with pytest.raises(ViewerError, match=words):
        ViewerStore().add(file)
    assert left_behind(ViewerStore()) == []


def test_a_size_that_the_archive_only_claims_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    claim = tarfile.TarInfo("package/dist/huge.bin")
    claim.size = 1 << 42
    with gzip.open(tmp_path / "claim.tgz", "wb") as out:
        out.write(claim.tobuf() + bytes(10240))
    with pytest.raises(ViewerError, match="holds more than"):
        ViewerStore().add(tmp_path / "claim.tgz")
