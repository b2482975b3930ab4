"""A folder or an archive: told apart in one place, and kept under names that never change."""

from __future__ import annotations

from pathlib import Path

import pytest

from sam_trainer.errors import TrainingError
from sam_trainer.studies import Studies


def test_a_folder_is_its_whole_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "x"
    folder.mkdir()
    monkeypatch.chdir(folder)
    whole = Studies.of(folder)
    assert whole == Studies.of(".") == Studies.of("../x/") == Studies.of(str(whole))
    assert not whole.is_archive and whole.folder == folder.resolve() and str(whole) == str(folder.resolve())


def test_an_archive_has_an_address_and_no_folder() -> None:
    archive = Studies.of("https://pacs.example/dicom-web//")
    assert archive.is_archive and str(archive) == "https://pacs.example/dicom-web"
    assert Studies.of(str(archive)) == archive
    with pytest.raises(TrainingError, match="is an archive: a studies folder is needed"):
        _ = archive.folder


@pytest.mark.parametrize(
    ("named", "key"),
    [
        ("/data/studies", "studies-59b8fa3d"),
        ("http://pacs/dicom-web/", "archive-2237615e"),
        ("https://pacs/dicom-web", "archive-e757df06"),
    ],
)
def test_what_was_kept_before_is_found(named: str, key: str) -> None:
    """The names that versions before this value gave to the same folders."""
    assert Studies.of(named).key == key
