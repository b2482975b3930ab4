"""What processes of `tests.processes.apart` find loaded: the training, and ITK's readers, which load at first use."""

from __future__ import annotations

import gc
from pathlib import Path
from tempfile import TemporaryDirectory

import sam_trainer.training.run_round  # noqa: F401
from sam_infer.imaging.image_file import read_mask
from tests.itk_lock import own_lock
from tests.small_studies import flat_case

own_lock()

with TemporaryDirectory() as folder:
    flat_case(Path(folder), "a", 0)
    read_mask(Path(folder) / "labels" / "final" / "a.png")

gc.freeze()  # no copy looks among all this for what could be freed
