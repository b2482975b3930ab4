"""A table in a pipe: a row is a line, and a name is whole."""

from __future__ import annotations

import pytest
from rich.table import Table

from samlabel.offline.tables import print_table


def test_a_row_in_a_pipe_is_a_line(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    table = Table("model", "what", box=None)
    table.add_row("sam2.1_hiera_base_plus", "a sentence that is longer than forty columns are wide")
    print_table(table)
    first, second = capsys.readouterr().out.splitlines()
    assert "model" in first and "sam2.1_hiera_base_plus" in second and "wide" in second
