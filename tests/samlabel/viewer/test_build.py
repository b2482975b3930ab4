"""The OHIF extension: the package's copy is the source, and it keeps its rules."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from samlabel.viewer.build import SOURCE, build
from samlabel.viewer.files import EXTENSION

ROOT = SOURCE.parent
# Facts of the browser itself; everything of OHIF comes through the managers that it hands over.
FOREIGN_GLOBAL = re.compile(r"window\.(services|cornerstone\w*|commandsManager|extensionManager|ohif)\b")


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*.js"))}


def test_the_package_carries_the_source(tmp_path: Path) -> None:
    build(target=tmp_path / "again")
    assert files(EXTENSION) == files(SOURCE) == files(tmp_path / "again"), "run `make viewer`"


def test_requests_and_logins_are_one_file_each_and_none_reaches_into_the_page() -> None:
    sources = {path.name: path.read_text() for path in SOURCE.rglob("*.js")}
    assert {name for name, text in sources.items() if "fetch(" in text} == {"login.js", "server.js"}
    assert [name for name, text in sources.items() if FOREIGN_GLOBAL.search(text)] == []
    assert [name for name, text in sources.items() if "innerHTML" in text or "insertAdjacentHTML" in text] == []


def test_files_fit_a_few_screens() -> None:
    assert {path.name: n for path in SOURCE.rglob("*.js") if (n := len(path.read_text().splitlines())) > 300} == {}


def test_the_lock_file_names_no_registry() -> None:
    assert "http" not in (ROOT / "package-lock.json").read_text()


@pytest.mark.slow
def test_unit_tests_in_node() -> None:
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is missing: apt install nodejs")
    done = subprocess.run([node, "--test", "test/"], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout[-4000:]


@pytest.mark.slow
def test_types() -> None:
    compiler = ROOT / "node_modules" / ".bin" / "tsc"
    if not compiler.exists():
        pytest.skip("the type checker is missing: npm ci in apps/ohif")
    done = subprocess.run([compiler], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout[-4000:]
