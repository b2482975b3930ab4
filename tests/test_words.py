"""Words of the field: what a module, a class or a file is called, and what its first line says."""

import ast
import re
from collections import defaultdict
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = {
    "sam_infer": ROOT / "sam_infer",
    "sam_trainer": ROOT / "sam_trainer",
    "samlabel": ROOT / "apps" / "samlabel",
}
TREES = {path: ast.parse(path.read_text()) for folder in PACKAGES.values() for path in sorted(folder.rglob("*.py"))}
MAX_FIRST_LINE = 120

# Metaphors that hid well-known things; docs/conventions.md has the words that replaced them.
BANNED = (
    "conduct",
    "cook",
    "crew",
    "desk",
    "flights",
    "likeness",
    "parts",
    "recipe",
    "second_look",
    "sides",
    "stopwatch",
    "survey",
    "team",
    "worth",
)

# What somebody who looks for it types, and that it is there.
FIELD_WORDS = (
    "acquisition",
    "active learning",
    "atomic write",
    "augmentation",
    "batching",
    "bootstrap",
    "cache warm-up",
    "calibration",
    "cancellation",
    "checkpoint",
    "deduplicate",
    "dicomweb",
    "distributed",
    "edit distance",
    "embedding cache",
    "ensemble",
    "forward-backward consistency",
    "in flight",
    "laterality",
    "lazy import",
    "learning-rate schedule",
    "loss function",
    "lora",
    "low-rank",
    "lru cache",
    "middleware",
    "prefetch",
    "priority queue",
    "propagation",
    "qido",
    "quarantine",
    "registration",
    "semantic segmentation",
    "snapshot",
    "stow",
    "temperature scaling",
    "test-time augmentation",
    "wado",
    "worker ranks",
)


def modules(package: str) -> list[Path]:
    return [path for path in TREES if path.is_relative_to(PACKAGES[package])]


def shown(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def first_line(path: Path) -> str:
    return (ast.get_docstring(TREES[path]) or "").partition("\n")[0]


def public_classes(path: Path) -> list[str]:
    return [n.name for n in TREES[path].body if isinstance(n, ast.ClassDef) and not n.name.startswith("_")]


def words_of(name: str) -> str:
    """`SecondLook` and `second_look` as `_second_look_`."""
    return f"_{re.sub('(?<=[a-z0-9])(?=[A-Z])', '_', name).lower()}_"


def banned_in(name: str) -> list[str]:
    return [stem for stem in BANNED if f"_{stem}_" in words_of(name)]


def test_a_banned_word_is_recognised_in_a_name() -> None:
    assert banned_in("SecondLook") == banned_in("second_look") == ["second_look"]
    assert banned_in("AppParts") == ["parts"]
    assert not banned_in("partial_labels") and not banned_in("inside")


@pytest.mark.parametrize("package", PACKAGES)
def test_the_first_line_says_what_a_module_is(package: str) -> None:
    lines = {shown(path): first_line(path) for path in modules(package)}
    assert not [path for path, line in lines.items() if not line], "a module begins with a docstring"
    assert not [path for path, line in lines.items() if len(line) > MAX_FIRST_LINE]
    assert not [path for path, line in lines.items() if line.endswith("?")], "a first line answers; it does not ask"


@pytest.mark.parametrize("package", PACKAGES)
def test_no_file_and_no_public_class_is_a_metaphor(package: str) -> None:
    found = []
    for path in modules(package):
        names = [path.stem, *path.relative_to(PACKAGES[package]).parent.parts, *public_classes(path)]
        found += [f"{name} in {shown(path)}" for name in names if banned_in(name)]
    assert not found, "see docs/conventions.md for the words of the field"


@pytest.mark.parametrize("package", PACKAGES)
def test_no_public_class_name_occurs_twice_in_a_package(package: str) -> None:
    where = defaultdict(list)
    for path in modules(package):
        for name in public_classes(path):
            where[name].append(shown(path))
    assert not {name: paths for name, paths in where.items() if len(paths) > 1}


@pytest.mark.parametrize("word", FIELD_WORDS)
def test_grep_finds_a_word_of_the_field_in_a_first_line(word: str) -> None:
    assert any(word in first_line(path).lower() for path in TREES)


def test_conventions_say_what_each_word_is_called_elsewhere() -> None:
    text = (ROOT / "docs" / "conventions.md").read_text()
    rows = [line for line in text.partition("## Words")[2].splitlines() if line.startswith("| ")]
    assert rows[0] == "| word | meaning | elsewhere called |"
    assert len(rows) > 40 and all(len(row.strip("|").split("|")) == 3 and row.rstrip("| ") for row in rows)
    assert not [row for row in rows if any(banned_in(word.strip()) for word in row.split("|")[1].split(","))]


def test_nobody_switches_the_formatter_off() -> None:
    switch = "# fmt: " + "skip"
    folders = (ROOT / name for name in ("apps", "benchmarks", "sam_infer", "sam_trainer", "tests"))
    assert [path for folder in folders for path in folder.rglob("*.py") if switch in path.read_text()] == []
