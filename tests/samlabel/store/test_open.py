"""What `--studies` may be."""

from pathlib import Path

import httpx
import pytest

from samlabel.dicom.demo import SMALL, demo_dicom
from samlabel.dicom_store.process import serves
from samlabel.errors import ConfigError
from samlabel.store import open as studies


def test_an_address_is_left_alone(tmp_path: Path) -> None:
    with studies.opened("http://pacs.example/dicom-web/", tmp_path) as seen:
        assert str(seen) == "http://pacs.example/dicom-web"


def test_a_folder_of_images_stays_a_folder(tmp_path: Path) -> None:
    (tmp_path / "case.nii.gz").write_bytes(b"x")
    with studies.opened(str(tmp_path), tmp_path) as seen:
        assert seen.folder == tmp_path.resolve()


def test_studies_are_known_by_name_without_opening_them(tmp_path: Path) -> None:
    (tmp_path / "case.nii.gz").write_bytes(b"x")
    assert studies.identified(str(tmp_path), tmp_path).folder == tmp_path.resolve()
    assert str(studies.identified("http://pacs.example/dicom-web/", tmp_path)) == "http://pacs.example/dicom-web"
    assert studies.identified("demo", tmp_path).is_archive
    assert studies.identified("demo-files", tmp_path).folder == (tmp_path / "demo-files").resolve()
    with pytest.raises(ConfigError, match="no studies folder"):
        studies.identified(str(tmp_path / "typo"), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["case.nii.gz"]


@pytest.mark.slow
def test_the_demo_files_are_a_folder_with_a_photograph(tmp_path: Path) -> None:
    with studies.opened(studies.DEMO_FILES, tmp_path) as seen:
        names = {path.name for path in seen.folder.iterdir()}
    assert {"demo_ct_1.nii.gz", "demo_mr_1.nii.gz", "demo_photo.png", "dataset.json", "labels"} <= names


def test_a_typing_mistake_is_no_new_folder(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no studies folder"), studies.opened(str(tmp_path / "typo"), tmp_path):
        pass
    assert not (tmp_path / "typo").exists()


def test_what_a_dicom_folder_is(tmp_path: Path) -> None:
    assert not studies.is_dicom_folder(tmp_path)
    demo_dicom(tmp_path / "dicom", SMALL[:1])
    assert studies.is_dicom_folder(tmp_path / "dicom") and studies.is_dicom_folder(tmp_path)
    (tmp_path / "case.nii.gz").write_bytes(b"x")
    assert not studies.is_dicom_folder(tmp_path)


@pytest.mark.slow
def test_a_dicom_folder_becomes_an_archive_for_as_long_as_it_is_open(tmp_path: Path) -> None:
    folder = demo_dicom(tmp_path / "dicom", SMALL[:1])
    with studies.opened(str(folder), tmp_path) as first:
        assert len(httpx.get(f"{first}/series").json()) == 1
        assert studies.identified(str(folder), tmp_path) == first
        with studies.opened(str(folder), tmp_path, share=True) as shared:
            assert shared == first
        assert httpx.get(f"{first}/series").is_success  # whoever shared it did not end it
        other = demo_dicom(tmp_path / "other", SMALL[:1])
        assert not serves(str(first), other)
        with studies.opened(str(folder), tmp_path) as second:
            assert second != first and len(httpx.get(f"{second}/series").json()) == 1
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{first}/series")
    with studies.opened(str(folder), tmp_path) as again:
        assert again == first
