"""A station on a folder of NIfTI files, as 3D Slicer uses it: small patients, some labelled already."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from sam_infer.imaging.image_file import write_image, write_mask
from sam_trainer.synthetic.patients import ABDOMEN_LABELS, abdomen, grid, render

# What the split makes of these names: `a`, `b`, `c` and `d` teach, `e` validates, `case1` and `h` judge.
LABELLED = ("a", "b", "e", "case1", "h")
UNLABELLED = ("d",)


def small_patients(folder: Path) -> Path:
    """Write the folder; every image has a truth under `truth/`, the labelled ones an accepted label too."""
    names = (*LABELLED, *UNLABELLED)
    for number, name in enumerate(names):
        rng = np.random.default_rng([11, number])
        volume, mask = render(abdomen(rng), grid((96, 80, 10), (3.4, 3.4, 10.0)), "CT", rng, noise=3.0)
        write_image(volume, folder / f"{name}.nii.gz")
        write_mask(mask, folder.parent / "truth" / f"{name}.nii.gz")
        if name in LABELLED:
            write_mask(mask, folder / "labels" / "final" / f"{name}.nii.gz")
    labels = {str(value): name for value, name in ABDOMEN_LABELS.items()}
    cases = {name: {"modality": "CT", "labels": labels} for name in names}
    (folder / "dataset.json").write_text(json.dumps({"cases": cases}))
    return folder
