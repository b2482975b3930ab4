"""What the documents name is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ADRS = ROOT / "docs" / "adr"
DOCUMENTS = sorted(
    [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "apps").glob("*/README.md")],
    key=lambda path: path.as_posix(),
)

# Files as documents write them: whole paths; or, right after one, a neighbour; or a path within the same package.
FILE = re.compile(r"`((?:[a-z0-9_]+/)*[a-z0-9_]+\.(?:py|toml|md|json|js))`")
FOLDER = re.compile(r"`((?:apps|sam_infer|sam_trainer|tests|docs|benchmarks)/(?:[a-z0-9_]+/)*)`")
LINK = re.compile(r"\]\((?!https?:|#)([^)#\s]+)")


def missing(text: str) -> list[str]:
    """Files and folders that are named and not there; a short name belongs to the last whole path before it."""
    lost, last = [], Path()
    for name in FILE.findall(text):
        if (ROOT / name).exists():
            last = Path(name).parent
            continue
        above = [last, *last.parents][:-1] or [Path()]
        beside = next((folder / name for folder in above if (ROOT / folder / name).exists()), None)
        if beside is None:
            lost.append(name)
    return lost + [name for name in FOLDER.findall(text) if not (ROOT / name).is_dir()]


def test_every_file_that_the_house_names_exists() -> None:
    assert not missing((ROOT / "docs" / "architecture.md").read_text())


def test_a_file_that_is_gone_would_be_missed() -> None:
    text = "`sam_infer/slices/crop.py`, `predictor.py`, `imaging/volume.py`, `gone.py`, `sam_infer/old.py`, `tests/no/`"
    assert missing(text) == ["gone.py", "sam_infer/old.py", "tests/no/"]


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_links_and_whole_paths_lead_somewhere(path: Path) -> None:
    text = path.read_text()
    assert not [link for link in LINK.findall(text) if not (path.parent / link).exists()]
    whole = re.findall(r"`((?:apps|sam_infer|sam_trainer|tests|docs|benchmarks)/[\w/]+\.\w+)`", text)
    assert not [name for name in whole if not (ROOT / name).exists()]


def test_every_decision_is_in_the_index_once() -> None:
    listed = re.findall(r"\]\((\d{4}-[^)]+)\)", (ADRS / "README.md").read_text())
    assert listed == sorted(path.name for path in ADRS.glob("[0-9]*.md"))
    assert len({name[:4] for name in listed}) == len(listed)


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md"])
def test_the_house_and_the_decisions_are_found_from_the_first_page(name: str) -> None:
    text = (ROOT / name).read_text()
    assert "(docs/architecture.md)" in text and "(docs/adr/README.md)" in text
