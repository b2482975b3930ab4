"""docs/python.md, run as it stands: open, click, train, judge."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from sam_infer.errors import SamError
from sam_infer.imaging.image_file import read_image, read_mask
from samlabel.python import open_project
from tests.brief_training import make_brief
from tests.small_studies import flat_case

DOCUMENT = Path(__file__).parents[2] / "docs" / "python.md"


@pytest.fixture
def studies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two labelled pictures: one teaches, and `case1` judges."""
    monkeypatch.chdir(tmp_path)
    for number, name in enumerate(("a", "case1")):
        flat_case(tmp_path / "studies", name, number)
    return tmp_path / "studies"


@pytest.mark.slow
@pytest.mark.usefixtures("one_thread")
def test_the_document_runs(studies: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    make_brief(monkeypatch, "samlabel.python")
    (code,) = re.findall(r"```python\n(.*?)```", DOCUMENT.read_text(), re.DOTALL)
    assert len([line for line in code.splitlines() if line.strip()]) <= 10
    exec(compile(code, DOCUMENT.name, "exec"), {})
    told = capsys.readouterr().out
    assert "['a', 'case1']" in told and "voxels on slice 0" in told and "adapter" in told
    mask, image = read_mask("mask.png"), read_image(studies / "case1.png")
    assert mask.array.shape == image.array.shape and mask.array[25, 25, 0] == 1 and mask.array[2, 2, 0] == 0


@pytest.mark.slow
def test_what_is_wrong_is_a_sentence(studies: Path) -> None:
    with pytest.raises(SamError, match="there is no studies folder"), open_project("nowhere"):
        pass
    with open_project(studies) as project:
        assert project.labelled == ["a", "case1"]
        for asked, sentence in (
            (lambda: project.click("nobody", (1, 1, 0)), "there is no image 'nobody'"),
            (lambda: project.click("a", (999, 1, 0)), "outside"),
            (lambda: project.click("a", (25, 25, 0), mode="4d"), "mode must be 2d or 3d"),
            (lambda: project.click("a", (25, 25, 0), tag="north"), "was taught no tags"),
            (lambda: project.judge(), "no adapter serves tiny"),
            (lambda: project.judge("ffff"), "there is no adapter that begins"),
            (lambda: project.train(method="magic"), "method must be one of"),
        ):
            with pytest.raises(SamError, match=sentence):
                asked()
        with pytest.raises(SamError, match="exists"):
            project.click("a", (25, 25, 0)).save(studies / "a.png")
