"""`samlabel predict` on real images, where they are at hand: the clicked voxel's region, on the image's own grid."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage
from typer.testing import CliRunner

from sam_infer.imaging.image_file import read_image, read_mask
from samlabel.commands.cli import app

DATA = Path(os.environ.get("SAMLABEL_VALIDATION", Path(__file__).parents[4] / "shared" / "data"))

# Image, its label map, and which value of it is clicked on.
CASES = [
    ("totalsegmentator_ref/ct_multi.nii.gz", "totalsegmentator_ref/labels/final/ct_multi.nii.gz", 5),
    ("sts_ibsi_nifti/STS_002_MR_T1.nii.gz", "sts_ibsi_nifti/labels/final/STS_002_MR_T1.nii.gz", 1),
    ("derm_isic2017/ISIC_0012388.png", "derm_isic2017/labels/final/ISIC_0012388.png", 1),
    ("us_breast_busbra", "us_breast_busbra/labels/final", 1),
    ("dicom/STS_002_CT", "dicom/STS_002_CT/label.nii.gz", 1),
    ("dicom/example_ct_dicom", "dicom/example_ct_dicom/label.nii.gz", None),
]

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not DATA.is_dir(), reason="no validation images; SAMLABEL_VALIDATION names their folder"),
]


def first_png(path: Path) -> Path:
    """The path, or the first picture of a folder of pictures."""
    return sorted(path.glob("*.png"))[0] if path.is_dir() and any(path.glob("*.png")) else path


def deepest(labels: np.ndarray) -> tuple[int, int, int]:
    """The voxel farthest from the edge on the slice where the object is largest."""
    k = int(labels.sum(axis=(0, 1)).argmax())
    depth = ndimage.distance_transform_edt(np.pad(labels[..., k], 1))[1:-1, 1:-1]
    i, j = np.unravel_index(int(depth.argmax()), depth.shape)
    return int(i), int(j), k


@pytest.mark.parametrize(("image", "label", "value"), CASES, ids=[case[0] for case in CASES])
def test_predict(image: str, label: str, value: int | None, tmp_path: Path) -> None:
    image_path, label_path = first_png(DATA / image), first_png(DATA / label)
    labels = read_mask(label_path).array
    values, counts = np.unique(labels[labels > 0], return_counts=True)
    i, j, k = deepest(labels == (value or values[counts.argmax()]))
    out = tmp_path / ("mask.png" if image_path.suffix == ".png" else "mask.nii.gz")
    result = CliRunner().invoke(app, ["predict", str(image_path), "--point", f"{i},{j},{k}", "--out", str(out)])
    assert result.exit_code == 0, result.output or result.exception
    mask = read_mask(out)
    assert mask.geometry.same_as(read_image(image_path).geometry)
    assert mask.array[i, j, k] == 1
    assert set(np.flatnonzero(mask.array.any(axis=(0, 1))).tolist()) == {k}
