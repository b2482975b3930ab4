"""The arrows and budgets that a linter cannot hold."""

import ast
import re
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = {
    "sam_infer": ROOT / "sam_infer",
    "sam_trainer": ROOT / "sam_trainer",
    "samlabel": ROOT / "apps" / "samlabel",
}
HOST = {"monailabel", "fastapi", "starlette", "uvicorn"}
FORBIDDEN = {"sam_infer": {"sam_trainer", "samlabel", *HOST}, "sam_trainer": {"samlabel", *HOST}, "samlabel": set()}
FILES = [(package, path) for package, folder in PACKAGES.items() for path in sorted(folder.rglob("*.py"))]
MAX_LINES, MAX_METHODS = 300, 10


def imported(tree: ast.AST) -> set[str]:
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module.split(".")[0])
    return names


@pytest.mark.parametrize(("package", "path"), FILES, ids=lambda v: v.stem if isinstance(v, Path) else v)
def test_arrows_and_budgets(package: str, path: Path) -> None:
    text = path.read_text()
    tree = ast.parse(text)
    assert not imported(tree) & FORBIDDEN[package]
    assert len(text.splitlines()) <= MAX_LINES
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef):
            public = [n for n in node.body if isinstance(n, ast.FunctionDef) and not n.name.startswith("_")]
            assert len(public) <= MAX_METHODS, f"{node.name} has {len(public)} public methods"


def test_no_file_without_a_noun() -> None:
    assert not {path.stem for _, path in FILES} & {"utils", "util", "helpers", "misc", "base", "common"}


def test_the_files_were_found() -> None:
    assert len(FILES) > 20


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
    owners = packages_distributions()
    names = {name for owner, path in FILES if owner == package for name in imported(ast.parse(path.read_text()))}
    foreign = names - sys.stdlib_module_names - PACKAGES.keys()
    assert foreign
    # itk is a name of its own above the six packages that its modules come from
    undeclared = {
        name for name in foreign if not {name, *(d.lower().replace("_", "-") for d in owners[name])} & declared
    }
    assert not undeclared, f"add to requirements.txt and docs/dependencies.md: {undeclared}"
