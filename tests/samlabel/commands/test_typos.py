"""A wrong command line is answered before torch is loaded: counted in modules, not in seconds."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from sam_infer.imaging.geometry import Geometry
from sam_infer.imaging.image_file import write_image
from sam_infer.imaging.volume import Volume

# In one process, one after the other: exit code, what was said, and whether torch or the host is loaded by now.
EACH = """
import contextlib, io, json, sys
from samlabel.commands import cli
found = []
for words in json.load(sys.stdin):
    sys.argv, told, code = ["samlabel", *words], io.StringIO(), 0
    with contextlib.redirect_stderr(told), contextlib.redirect_stdout(told):
        try:
            cli.main()
        except SystemExit as end:
            code = end.code
    loaded = [name for name in ("torch", "monailabel", "sam_infer.models.load") if name in sys.modules]
    found.append([code, told.getvalue(), loaded])
print(json.dumps(found))
"""

CLICK = ["predict", "scan.nii.gz", "--point", "1,1,1"]
NOWHERE = ["--studies", "nowhere"]

TYPOS = [
    (["predict", "nowhere.nii.gz", "--point", "1,1,1"], "there is no file nowhere.nii.gz"),
    (["predict", "scan.nii.gz"], "nothing says where the object is"),
    (["predict", "scan.nii.gz", "--point", "1"], "point must have 2 or 3 numbers"),
    ([*CLICK, "--window", "liver"], "window must be one of"),
    ([*CLICK, "--model", "vit_z"], "there is no model 'vit_z'"),
    ([*CLICK, "--model", "vit_b"], "vit_b has not been added"),
    ([*CLICK, "--adapter", "ffff"], "there is no adapter that begins with 'ffff'"),
    ([*CLICK, "--out", "mask.exe"], "label maps are written as"),
    ([*CLICK, "--out", "scan.nii.gz"], "never replaced"),
    ([*CLICK, "--out", "/proc/x/m.nii.gz"], "nothing can be written in /proc"),
    (["predict", ".", "--prompts", "nowhere.json"], "nowhere.json cannot be read"),
    (["serve", "--model", "vit_b"], "vit_b has not been added"),
    (["serve", "--adapter", "ffff"], "there is no adapter"),
    (["serve", *NOWHERE], "there is no studies folder 'nowhere'"),
    (["serve", "--set", "colour=red"], "unknown setting 'colour'"),
    (["serve", "--set", "precision=fast"], "precision must be one of"),
    (["train", *NOWHERE], "there is no studies folder 'nowhere'"),
    (["train", "--studies", ".", "--method", "magic"], "method must be one of"),
    (["train", "--studies", ".", "--model", "vit_b"], "vit_b has not been added"),
    (["score", *NOWHERE], "there is no studies folder 'nowhere'"),
    (["score", "--studies", ".", "--measure", "entropy"], "method must be one of"),
    (["next", *NOWHERE], "there is no studies folder 'nowhere'"),
    (["next", "--studies", ".", "--strategy", "best"], "strategy must be one of"),
    (["precompute", *NOWHERE], "there is no studies folder 'nowhere'"),
    (["loop", "report", *NOWHERE], "there is no studies folder 'nowhere'"),
    (["loop", "measure", *NOWHERE], "there is no studies folder 'nowhere'"),
    (["labels", "list", *NOWHERE], "there is no studies folder 'nowhere'"),
    (["labels", "export", "out", *NOWHERE], "there is no studies folder 'nowhere'"),
    (["adapters", "list", "--model", "vit_z"], "there is no model 'vit_z'"),
    (["adapters", "retrain", *NOWHERE, "--model", "vit_z"], "there is no model 'vit_z'"),
    (["models", "add", "nowhere.pth"], "does not exist"),
    (["bench", "prompts", *NOWHERE], "there is no studies folder 'nowhere'"),
    (["bench", "clicks", "--model", "vit_z"], "there is no model 'vit_z'"),
    (["bench", "volumes", "--out", "scan.nii.gz"], "holds no results of a command"),
    (["bench", "loop", "--strategies", "best"], "strategy must be one of"),
    (["bench", "train", "--methods", "magic"], "magic"),
    (["pretrain", "--lr", "7"], "less than or equal to 1"),
    (["pretrain", "--init", "scan.nii.gz", "--resume"], "give either weights to start from"),
    (["pretrain-tracker", "--steps", "0"], "greater than or equal to 1"),
    (["predct"], "No such command"),
    # what only the image can tell
    (["predict", "scan.nii.gz", "--point", "1,2"], "point must have 3 numbers"),
    (["predict", "scan.nii.gz", "--point", "9,9,9"], "outside"),
    ([*CLICK, "--out", "mask.png"], "does not fit into a .png file"),
]


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[int, str, list[str]]]:
    """What every typo is answered, in an empty home."""
    folder = tmp_path_factory.mktemp("typos")
    array = np.zeros((4, 4, 4), np.int16, order="F")
    write_image(Volume(array, Geometry((4, 4, 4), np.diag([-1.0, -1.0, 1.0, 1.0]))), folder / "scan.nii.gz")
    done = subprocess.run(
        [sys.executable, "-c", EACH],
        input=json.dumps([words for words, _ in TYPOS]),
        capture_output=True,
        text=True,
        cwd=folder,
        env={**_environment(), "SAMLABEL_HOME": str(folder / "home"), "COLUMNS": "200"},
    )
    assert done.returncode == 0, done.stderr
    assert sorted(path.name for path in folder.iterdir()) == ["scan.nii.gz"], "a refusal leaves nothing behind"
    return [(code, told, modules) for code, told, modules in json.loads(done.stdout)]


def _environment() -> dict[str, str]:
    root = Path(__file__).parents[3]
    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(root), str(root / "apps")])}


@pytest.mark.parametrize("number", range(len(TYPOS)), ids=lambda number: " ".join(TYPOS[number][0]))
def test_a_typo_is_answered_without_loading_torch(answers: list[tuple[int, str, list[str]]], number: int) -> None:
    code, told, modules = answers[number]
    assert code in (1, 2) and TYPOS[number][1] in told
    assert modules == []
    assert "Traceback" not in told and re.search(r"\w+Error\b", told) is None, "no names of classes"
