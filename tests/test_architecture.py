"""The arrows and budgets that a linter cannot hold, and proof that they would be missed.

The table of rooms is tests/architecture/rooms.toml; `python -m tests.architecture` prints and draws it.
"""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections.abc import Callable, Iterator
from importlib.metadata import packages_distributions

import pytest

from tests.architecture import complaints, drawing, mirror
from tests.architecture.__main__ import DOCUMENT, PICTURE, TABLE, as_toml
from tests.architecture.house import PACKAGES, ROOT, House, Module, ours

HOUSE = ours()
HOST = {"monailabel", "fastapi", "starlette", "uvicorn"}
FORBIDDEN = {"sam_infer": {"sam_trainer", "samlabel", *HOST}, "sam_trainer": {"samlabel", *HOST}, "samlabel": set()}
MAX_LINES, MAX_METHODS = 300, 10

Complaints = Callable[[House], Iterator[str]]


def imported(tree: ast.AST) -> set[str]:
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module.split(".")[0])
    return names


def package_of(module: Module) -> str:
    return module.name.split(".")[0]


@pytest.mark.parametrize("module", HOUSE.modules.values(), ids=lambda module: module.name)
def test_packages_and_budgets(module: Module) -> None:
    assert not imported(module.tree) & FORBIDDEN[package_of(module)]
    assert len(module.text.splitlines()) <= MAX_LINES
    for node in ast.walk(module.tree):
        if isinstance(node, ast.ClassDef):
            public = [n for n in node.body if isinstance(n, ast.FunctionDef) and not n.name.startswith("_")]
            assert len(public) <= MAX_METHODS, f"{node.name} has {len(public)} public methods"


def test_no_file_without_a_noun() -> None:
    stems = {module.path.stem for module in HOUSE.modules.values()}
    assert not stems & {"utils", "util", "helpers", "misc", "base", "common"}


def test_the_files_were_found() -> None:
    assert len(HOUSE.modules) > 200 and len(HOUSE.arrows) > 1000


@pytest.mark.parametrize(
    "check",
    [complaints.wrong_arrows, complaints.wrong_rooms, complaints.cycles, complaints.hidden_channels],
    ids=lambda check: check.__name__,
)
def test_the_house_is_in_order(check: Complaints) -> None:
    assert not list(check(HOUSE))


def test_one_file_chooses_between_automatic_modes() -> None:
    assert len(complaints.dispatchers(HOUSE)) == 1


BENCHES = {
    "sam_trainer.bench",
    *(
        f"sam_trainer.bench.{room}"
        for room in ("advice", "automatic", "card", "kinds", "language", "learning", "stream")
    ),
}


@pytest.mark.parametrize("room", sorted(BENCHES))
def test_production_imports_no_bench(room: str) -> None:
    measuring = {*BENCHES, "samlabel.server_bench", "samlabel.commands", "samlabel.commands.benches"}
    assert {name for name, entry in HOUSE.rooms.items() if room in entry.may_import} <= measuring


def test_the_hosts_folder_holds_one_file_of_code() -> None:
    assert [path.name for path in (ROOT / "apps" / "sam").glob("*.py")] == ["main.py"]


@pytest.mark.parametrize("check", [mirror.stray_tests, mirror.untested_files], ids=lambda check: check.__name__)
def test_tests_mirror_the_rooms(check: Callable[[House, mirror.Exceptions], Iterator[str]]) -> None:
    assert not list(check(HOUSE, mirror.read_exceptions()))


def test_the_table_is_printed_as_it_is_kept() -> None:
    kept = (ROOT / "tests" / "architecture" / "rooms.toml").read_text()
    assert tomllib.loads(as_toml(HOUSE)) == tomllib.loads(kept)


def test_the_document_and_the_picture_are_drawn_from_the_table() -> None:
    cure = "renew them with `python -m tests.architecture write`"
    assert TABLE.findall((ROOT / DOCUMENT).read_text()) == [drawing.table(HOUSE.rooms)], cure
    assert (ROOT / PICTURE).read_text() == drawing.picture(HOUSE), cure


def test_nothing_committed_names_a_machine_or_a_registry() -> None:
    lock = (ROOT / "requirements.lock").read_text()
    assert "://" not in lock and "--hash=sha256:" in lock


@pytest.mark.parametrize("package", PACKAGES)
def test_what_is_imported_is_declared(package: str) -> None:
    declared = {
        re.split(r"[<>=! ]", line)[0].lower()
        for line in (ROOT / "requirements.txt").read_text().splitlines()
        if line and not line.startswith("#")
    }
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"].values()
    declared |= {re.split(r"[<>=! ]", one)[0].lower() for some in extras for one in some}
    owners = packages_distributions()
    names = {name for m in HOUSE.modules.values() if package_of(m) == package for name in imported(m.tree)}
    foreign = names - sys.stdlib_module_names - PACKAGES.keys()
    assert foreign
    # itk is a name of its own above the six packages that its modules come from
    undeclared = {
        name for name in foreign if not {name, *(d.lower().replace("_", "-") for d in owners.get(name, ()))} & declared
    }
    assert not undeclared, f"add to requirements.txt and docs/dependencies.md: {undeclared}"
