"""What the README tells a newcomer to type, typed."""

import json
import re
import subprocess
from pathlib import Path

import pytest

from sam_infer.imaging.image_file import read_mask
from tests.client.conftest import QUIET
from tests.client.stations import serving

README = Path(__file__).parents[2] / "README.md"

# The spleen of the first demo patient has about this many voxels on the clicked slice.
SPLEEN_VOXELS = 964

pytestmark = [pytest.mark.client, pytest.mark.slow]


def shell_block(containing: str) -> str:
    """The README's commands that contain a text."""
    blocks = re.findall(r"```sh\n(.*?)```", README.read_text(), re.DOTALL)
    return next(block for block in blocks if containing in block)


def test_the_first_click(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with serving("demo", tmp_path, conf=QUIET) as address:
        script = shell_block("/infer/sam_2d").replace("http://127.0.0.1:8000", address)
        told = json.loads(subprocess.run(["bash", "-euc", script], check=True, capture_output=True).stdout)
        assert told["model"] == "tiny" and told["warnings"] == []
        assert told["voxels"] == pytest.approx(SPLEEN_VOXELS, rel=0.25)
        with_mask = re.sub(r"&output=json", "&output=image", script).replace(
            "curl -s -X POST", "curl -s -o mask.nrrd", 2
        )
        with_mask = with_mask.replace("curl -s -o mask.nrrd", "curl -s -X POST", 1)
        subprocess.run(["bash", "-euc", with_mask], check=True, capture_output=True)
    assert int((read_mask(tmp_path / "mask.nrrd").array > 0).sum()) == told["voxels"]
