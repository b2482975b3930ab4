"""The file that says which model answers what."""

from __future__ import annotations

from pathlib import Path

import pytest

from sam_infer.errors import ModelError
from sam_infer.models.model_table import ModelChoice, ModelTable

LIVER = ModelChoice("liver", "CT", "vit_b", "saves clicks", "2026-11-29T08:00:00+00:00")


def test_what_is_written_is_read(tmp_path: Path) -> None:
    file, table = tmp_path / "scores" / "models.json", ModelTable(judged="abc").with_choice(LIVER)
    assert ModelTable.read(file) == ModelTable()
    table.write(file)
    assert ModelTable.read(file) == table
    assert table.of("liver", "CT") == LIVER and table.of("liver", "MR") is None and table.of("cord", "CT") is None


def test_a_label_has_one_choice_for_a_modality() -> None:
    other = ModelChoice("liver", "CT", "tiny", "by hand", "2026-11-30T08:00:00+00:00")
    table = ModelTable().with_choice(LIVER).with_choice(other)
    assert table.choices == (other,)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"choices": [{"label": "liver"}], "judged": ""}'])
def test_a_damaged_file_is_refused_in_a_sentence(tmp_path: Path, text: str) -> None:
    (tmp_path / "models.json").write_text(text)
    with pytest.raises(ModelError, match=r"models\.json is damaged: delete it"):
        ModelTable.read(tmp_path / "models.json")


def test_a_full_disk_is_said(tmp_path: Path) -> None:
    (tmp_path / "scores").write_text("a file where a folder should be")
    with pytest.raises(ModelError, match="could not be written"):
        ModelTable().write(tmp_path / "scores" / "models.json")
