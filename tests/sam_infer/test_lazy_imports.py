"""Packages that wait for their first use."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from sam_infer.lazy_imports import DeferredName, deferred

PACKAGE = "slow_package_of_a_test"


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    folder = tmp_path / PACKAGE
    folder.mkdir()
    (folder / "__init__.py").write_text("__version__ = '7'\nVALUE = {'a': 1}\n")
    (folder / "parts.py").write_text("class Part:\n    size = 3\ndef double(x):\n    return 2 * x\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    yield PACKAGE
    for name in [name for name in sys.modules if name.startswith(PACKAGE)]:
        del sys.modules[name]


def taken(package: str, statement: str) -> dict[str, object]:
    names: dict[str, object] = {}
    exec(statement.replace("P", package, 1), names)  # an import statement, whose words vary
    return names


def test_nothing_is_imported_before_it_is_used(package: str) -> None:
    with deferred(package):
        names = taken(package, "from P.parts import Part, double")
    assert package not in sys.modules
    part, double = names["Part"], names["double"]
    assert isinstance(part, DeferredName) and callable(double)
    assert double(21) == 42
    assert f"{package}.parts" in sys.modules
    assert isinstance(part(), part) and part.size == 3 and not isinstance(3, part)


def test_inheriting_within_the_block_ends_the_waiting(package: str) -> None:
    with deferred(package):
        part = taken(package, "from P.parts import Part")["Part"]

        class Larger(part):
            pass

        assert Larger.size == 3
        assert taken(package, "from P.parts import double")["double"](1) == 2
    assert taken(package, "import P as it")["it"].VALUE == {"a": 1}


def test_a_block_within_a_block_ends_only_its_own_waiting(package: str) -> None:
    with deferred(package):
        with deferred(package, "another_slow_package"):
            assert isinstance(taken(package, "from P.parts import double")["double"], DeferredName)
        assert isinstance(taken(package, "from P import parts")["parts"], DeferredName)
    assert package not in sys.modules
    with pytest.raises(ModuleNotFoundError):
        taken("another_slow_package", "import P")


def test_modules_kept_from_the_block_still_answer(package: str) -> None:
    with deferred(package):
        module = taken(package, "import P.parts as it")["it"]
        version = taken(package, "import P as it")["it"]
    assert module.double(2) == 4
    assert str(version.__version__.upper()) == "7"


def test_what_is_loaded_stays(package: str) -> None:
    real = taken(package, "import P as it")["it"]
    with deferred(package):
        assert taken(package, "import P as it")["it"] is real
    assert sys.modules[package] is real
