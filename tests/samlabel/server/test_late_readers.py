"""ITK comes after the first clicks, in a pause, and never where nobody clicks."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import numpy as np

from sam_infer.imaging.image_file import write_image
from sam_infer.serving.activity import Activity
from sam_trainer.synthetic.patients import grid, l_shape, render
from samlabel.server.late_readers import LateReaders

HANG_S = 120

# Which parts of ITK a process has that read a volume and answered a click on it.
ANSWERED = """
import sys
from pathlib import Path
from samlabel.config import AppConfig
from samlabel.engine import load_readers, load_serving, warm_up
from sam_infer.imaging.image_file import read_image
serving = load_serving(AppConfig())
warm_up(serving)
read_image(Path(sys.argv[1]))
print("itk._ITKCommonPython" in sys.modules)
load_readers()
print("itk._ITKCommonPython" in sys.modules)
serving.close()
"""


def test_they_are_loaded_in_the_first_pause(tmp_path: Path) -> None:
    now, loaded = [1e9], threading.Event()
    activity = Activity(tmp_path, lambda: now[0])
    readers = LateReaders(activity, loaded.set, seconds=0.01)
    readers.start()
    assert not loaded.wait(0.1)  # nobody works here
    (tmp_path / "last-click").touch()
    now[0] = (tmp_path / "last-click").stat().st_mtime + 1
    assert not loaded.wait(0.1)  # a reader clicked a second ago
    now[0] += 10
    assert loaded.wait(HANG_S)


def test_a_server_that_ends_first_loads_nothing(tmp_path: Path) -> None:
    loaded = threading.Event()
    readers = LateReaders(Activity(tmp_path), loaded.set, seconds=0.01)
    readers.start()
    readers.stop()
    assert not loaded.is_set()


def test_an_ordinary_volume_is_read_and_clicked_on_without_itk(tmp_path: Path) -> None:
    volume, _ = render(l_shape(), grid((24, 20, 12), (1, 1, 3)), "CT", np.random.default_rng(0))
    write_image(volume, tmp_path / "a.nii.gz")
    said = subprocess.run(
        [sys.executable, "-c", ANSWERED, str(tmp_path / "a.nii.gz")], capture_output=True, text=True, check=True
    )
    assert said.stdout.split()[-2:] == ["False", "True"]
