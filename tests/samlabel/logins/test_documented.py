"""docs/security.md: every test that the page of threats names is there."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[3]


def test_each_control_has_its_test() -> None:
    rows = [line for line in (ROOT / "docs" / "security.md").read_text().splitlines() if "`test_" in line]
    named = {name for line in rows for name in re.findall(r"`(test_\w+)`", line)}
    written = "\n".join(path.read_text() for path in (ROOT / "tests").rglob("test_*.py"))
    assert len(rows) > 10 and {name for name in named if f"def {name}(" not in written} == set()
