"""A house with one thing wrong at a time: each is named, with the rooms and the file that it is about."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.architecture import complaints, mirror
from tests.architecture.house import House, Room

# Two rooms per package are enough to go wrong in.
FILES = {
    "sam_infer/errors.py": "",
    "sam_infer/job.py": "",
    "sam_infer/masks/clean.py": "from sam_infer.errors import X",
    "sam_infer/masks/encode.py": "",
    "sam_infer/masks/data/__init__.py": "",
    "sam_infer/slices/crop.py": "import sam_infer.masks.clean",
    "sam_infer/slices/predictor.py": "def late():\n    from sam_infer.masks import encode",
    "apps/samlabel/access/identity.py": "from contextvars import ContextVar\nwho = ContextVar('who')",
    "apps/samlabel/access/names.py": "",
}
TABLE = {
    "sam_infer": (),
    "sam_infer.masks": ("sam_infer",),
    "sam_infer.slices": ("sam_infer.masks",),
    "samlabel.access": (),
}


def house(root: Path, files: Mapping[str, str] | None = None, **table: tuple[str, ...]) -> House:
    """The small house with some files more; `room__name=` replaces entries of the table."""
    for name, text in {**FILES, **(files or {})}.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    rows = TABLE | {name.replace("__", "."): row for name, row in table.items()}
    return House(root, {name: Room("A law.", frozenset(row)) for name, row in rows.items()})


def complained(small: House) -> list[str]:
    checks = (complaints.wrong_arrows, complaints.wrong_rooms, complaints.cycles, complaints.hidden_channels)
    return [sentence for check in checks for sentence in check(small)]


def test_nothing_is_wrong_with_the_small_house(tmp_path: Path) -> None:
    assert not complained(house(tmp_path))


@pytest.mark.parametrize(
    "text",
    [
        "from sam_infer.slices.crop import Crop",
        "from sam_infer.slices import crop",
        "import sam_infer.slices.crop as c",
        "from ..slices.crop import Crop",
        "from ..slices import crop",
        "def late():\n    import sam_infer.slices.crop",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from sam_infer.slices.crop import Crop",
        "COMMAND = 'sam_infer.slices.crop'",
    ],
)
def test_a_forbidden_import_is_named_with_both_rooms_and_the_file(tmp_path: Path, text: str) -> None:
    wrong = house(tmp_path, {"sam_infer/masks/encode.py": text})
    found = list(complaints.wrong_arrows(wrong))
    line = len(text.splitlines())
    assert found == [
        "sam_infer.masks must not import sam_infer.slices: "
        f"sam_infer/masks/encode.py:{line} imports sam_infer.slices.crop"
    ]
    (circle,) = complaints.cycles(wrong)
    assert "sam_infer.masks -> sam_infer.slices" in circle and "sam_infer.slices -> sam_infer.masks" in circle


def test_an_arrow_that_nobody_uses_is_named(tmp_path: Path) -> None:
    (found,) = complained(house(tmp_path, sam_infer__slices=("sam_infer.masks", "sam_infer")))
    assert found.startswith("sam_infer.slices may import sam_infer and no longer does")


def test_a_room_without_an_entry_and_an_entry_without_a_room(tmp_path: Path) -> None:
    files = {"sam_trainer/labels/a.py": "", "sam_trainer/labels/b.py": ""}
    unknown, lost = complained(house(tmp_path, files, sam_trainer__lables=()))
    assert unknown.startswith("sam_trainer.labels has no entry") and "sam_trainer/labels/a.py" in unknown
    assert lost.startswith("sam_trainer.lables has an entry") and "no file lies there" in lost


@pytest.mark.parametrize(("count", "sentence"), [(16, "has 16 files, at most 15"), (1, "has 1 file: a room has at")])
def test_rooms_that_are_too_large_or_too_small(tmp_path: Path, count: int, sentence: str) -> None:
    files = {f"sam_trainer/labels/file{number}.py": "" for number in range(count)}
    (found,) = complained(house(tmp_path, files, sam_trainer__labels=()))
    assert found.startswith("sam_trainer.labels") and sentence in found


def test_too_many_files_at_the_top(tmp_path: Path) -> None:
    (found,) = complained(house(tmp_path, {f"sam_infer/more{number}.py": "" for number in range(7)}))
    assert found.startswith("sam_infer has 9 files at its top, at most 8")


def test_a_door_stands_above_the_rooms_beside_it(tmp_path: Path) -> None:
    files = {"sam_infer/ask.py": "from sam_infer.slices.crop import Crop"}
    (without, circle) = complained(house(tmp_path, files))
    assert without.startswith("sam_infer must not import sam_infer.slices") and "circle" in circle
    assert not complained(house(tmp_path, files, sam_infer__ask=("sam_infer.slices",)))


def test_the_command_line_at_the_top_counts_as_a_command(tmp_path: Path) -> None:
    files = {
        "apps/samlabel/__main__.py": "from samlabel.access.names import N",
        "apps/samlabel/commands/cli.py": "",
    }
    assert not complained(house(tmp_path, files, samlabel__commands=("samlabel.access",)))


def test_a_hidden_channel_is_named(tmp_path: Path) -> None:
    (found,) = complained(house(tmp_path, {"sam_infer/job.py": "import contextvars\nx = contextvars.ContextVar('x')"}))
    assert found.startswith("sam_infer/job.py uses a ContextVar; only samlabel.access may")


def test_who_chooses_between_modes_is_found(tmp_path: Path) -> None:
    chooser = "def f(m):\n    return {1: atlas_labels, 2: selfprompt_labels, 3: modes.grid_labels}[m]()"
    definitions = "def atlas_labels(): ...\ndef selfprompt_labels(): ...\ndef grid_labels(): atlas_labels()"
    files = {"sam_infer/job.py": chooser, "sam_infer/masks/encode.py": definitions}
    assert complaints.dispatchers(house(tmp_path, files)) == ["sam_infer/job.py"]


def test_tests_that_mirror_nothing_and_files_that_nothing_proves(tmp_path: Path) -> None:
    files = {
        "sam_infer/masks/clean.py": "x = 1\n" * 41,
        "sam_infer/masks/encode.py": "x = 1\n" * 41,
        "sam_infer/slices/crop.py": "x = 1\n" * 41,
        "tests/sam_infer/masks/test_encode.py": "",
        "tests/sam_infer/masks/test_small_parts.py": "",
        "tests/sam_infer/mask/test_clean.py": "",
    }
    small, nothing = house(tmp_path, files), mirror.Exceptions({}, {})
    strays = list(mirror.stray_tests(small, nothing))
    assert len(strays) == 3 and "lies in sam_infer.mask, and there is no such room" in strays[0]
    assert strays[2].startswith("tests/sam_infer/masks/test_small_parts.py names no file of sam_infer.masks")
    unproved = list(mirror.untested_files(small, nothing))
    assert [sentence.split()[0] for sentence in unproved] == ["sam_infer/masks/clean.py", "sam_infer/slices/crop.py"]
    known = mirror.Exceptions(
        {"sam_infer/masks/test_small_parts.py": "several files", "sam_infer/masks/test_encode.py": "?", "gone.py": "?"},
        {"sam_infer.masks.clean": "sam_infer/masks/test_small_parts.py", "sam_infer.slices.crop": "none: a reason"},
    )
    assert [s.split()[0] for s in mirror.stray_tests(small, known)][2:] == [
        "tests/sam_infer/masks/test_encode.py",
        "tests/architecture/tests.toml",
    ]
    assert not list(mirror.untested_files(small, known))
    lost = mirror.Exceptions({}, {"sam_infer.masks.gone": "x.py", "sam_infer.masks.encode": "none: ?", **known.covered})
    assert len(list(mirror.untested_files(small, lost))) == 3
