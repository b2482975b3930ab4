"""Small labelled studies for the benches: bright shapes that the stand-in network can find."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from sam_infer.imaging.geometry import Geometry
from sam_infer.imaging.image_file import write_image, write_mask
from sam_infer.imaging.itk_image import LPS_TO_RAS
from sam_infer.imaging.volume import Mask, Volume
from sam_trainer.synthetic.patients import grid


def flat_case(folder: Path, name: str, seed: int) -> None:
    """A PNG with two bright disks of label 1, a ring of label 2 around a core of label 3, and a speck."""
    rows, cols = np.mgrid[:96, :128]
    labels = np.zeros((96, 128), np.uint8)
    labels[np.hypot(rows - 25, cols - 25) < 14] = 1
    labels[np.hypot(rows - 70, cols - 30) < 10] = 1
    labels[np.hypot(rows - 48, cols - 95) < 22] = 2
    labels[np.hypot(rows - 48, cols - 95) < 9] = 3
    labels[2:4, 120:124] = 1  # 8 pixels: too small to be an object
    noise = np.random.default_rng(seed).integers(0, 20, labels.shape)
    grey = (np.where(labels > 0, 210, 40) + noise).astype(np.uint8)
    geometry = Geometry((128, 96, 1), LPS_TO_RAS)
    write_image(Volume(np.asfortranarray(grey.T[..., None]), geometry), folder / f"{name}.png")
    stored = np.asfortranarray(labels.T[..., None])
    write_mask(Mask(stored, geometry), folder / "labels" / "final" / f"{name}.png")


def ball_case(folder: Path, name: str) -> None:
    """A bright ball of 12 mm radius in a volume whose slices run across i."""
    geometry = grid((12, 48, 40), (5.0, 1.0, 1.0))
    i, j, k = np.mgrid[:12, :48, :40]
    ball = np.hypot(np.hypot((i - 6) * 5.0, j - 20), k - 22) < 12
    grey = np.where(ball, 1000, 100).astype(np.int16)
    write_image(Volume(np.asfortranarray(grey), geometry, "MR"), folder / f"{name}.nii.gz")
    write_mask(Mask(np.asfortranarray(ball.astype(np.uint8)), geometry), folder / "labels" / "final" / f"{name}.nii.gz")


def write_small_studies(root: Path) -> Path:
    """Three sources: `flat` (two PNG cases), `balls` (a volume), `stardist_nuclei` (outside the headline)."""
    names = {"1": "disk", "2": "ring", "3": "core"}
    facts = {"modality": "ultrasound", "labels": names, "includes": {"2": ["3"]}}
    for source in ("flat", "stardist_nuclei"):
        cases = {f"{source}_{n}": facts for n in range(2)}
        for n, name in enumerate(cases):
            flat_case(root / source, name, n)
        (root / source / "dataset.json").write_text(json.dumps({"cases": cases}))
    ball_case(root / "balls", "ball")
    described = {"cases": {"ball": {"modality": "MR-T2*", "labels": {"1": "ball"}}}}
    (root / "balls" / "dataset.json").write_text(json.dumps(described))
    return root
