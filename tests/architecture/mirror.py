"""Do the tests mirror the house?

`tests/PACKAGE/ROOM/test_FILE.py` proves `PACKAGE/ROOM/FILE.py`; `tests.toml` names everything that is otherwise.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.architecture.house import HERE, PACKAGES, House, Module

# Shorter files are proved by the tests of whoever uses them.
SHORT = 40

# How a line begins that says why nothing proves a file.
NONE = "none: "


@dataclass(frozen=True)
class Exceptions:
    """What `tests.toml` says: tests of no single file with the reason, and files proved by a test of another name."""

    features: Mapping[str, str]
    covered: Mapping[str, str]


def read_exceptions(path: Path = HERE / "tests.toml") -> Exceptions:
    """Both tables, with full names of modules and paths below `tests/`."""
    data = tomllib.loads(path.read_text())
    covered = {f"{room}.{file}": test for room, files in data["covered"].items() for file, test in files.items()}
    return Exceptions(data["features"], covered)


def stray_tests(house: House, known: Exceptions) -> Iterator[str]:
    """Tests that lie in no room or name no file of theirs."""
    tests = house.root / "tests"
    for path in sorted(path for package in PACKAGES for path in (tests / package).rglob("test_*.py")):
        shown = path.relative_to(tests).as_posix()
        room = ".".join(path.relative_to(tests).parent.parts)
        if room not in {module.folder for module in house.modules.values()}:
            yield f"tests/{shown} lies in {room}, and there is no such room"
        named = f"{room}.{path.stem.removeprefix('test_')}" in house.modules
        if not named and shown not in known.features:
            yield f"tests/{shown} names no file of {room}: rename it, or give a reason in tests/architecture/tests.toml"
        if named and shown in known.features:
            yield f"tests/{shown} has the name of a file: its line in tests/architecture/tests.toml is not needed"
    for shown in known.features:
        if not (tests / shown).exists():
            yield f"tests/architecture/tests.toml gives a reason for tests/{shown}, which does not exist"


def untested_files(house: House, known: Exceptions) -> Iterator[str]:
    """Files without a test of their name that no line of the table gives to another test."""
    for module in house.modules.values():
        own = own_test(module)
        exists, given = (house.root / "tests" / own).exists(), known.covered.get(module.name)
        long = not module.is_init and len(module.text.splitlines()) > SHORT
        if exists and given:
            yield f"{module.name} has tests/{own}: its line in tests/architecture/tests.toml is not needed"
        elif long and not exists and not given:
            yield f"{house.shown(module)} has no tests/{own}, and no test in tests/architecture/tests.toml"
    for name, test in known.covered.items():
        if name not in house.modules:
            yield f"tests/architecture/tests.toml names a test of {name}, which does not exist"
        if not test.startswith(NONE) and not (house.root / "tests" / test).exists():
            yield f"tests/architecture/tests.toml says that tests/{test} proves {name}, and there is no such test"


def own_test(module: Module) -> str:
    """Where the test of this very file lies, below `tests/`."""
    return "/".join([*module.folder.split("."), f"test_{module.name.rpartition('.')[2]}.py"])
