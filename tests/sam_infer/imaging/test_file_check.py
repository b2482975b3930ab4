"""Every hostile file is refused with one sentence, without the memory that it claims, and the process goes on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sam_infer.errors import VolumeError
from sam_infer.imaging.image_file import read_image, read_mask
from sam_trainer.synthetic.patients import grid
from tests.hostile import dicom, nifti, pictures, text_headers
from tests.hostile.corpus import corpus
from tests.hostile.memory import peak

MOST_MB = 200


def test_hostile_files_are_refused_with_a_sentence(tmp_path: Path) -> None:
    good = {".nii": nifti.GOOD.file(), ".nrrd": text_headers.nrrd({}), ".mha": text_headers.meta({})}
    good |= {".png": pictures.png(8, 8), ".tif": pictures.tiff({}), ".dcm": dicom.dicom({})}
    for suffix, content in good.items():  # what all are variations of can be read
        path = tmp_path / f"good{suffix}"
        path.write_bytes(content)
        assert read_image(path).geometry.shape[:2] in ((8, 7), (8, 8)), suffix
    wrong, refused = [], 0
    for file in corpus():
        path = file.written(tmp_path)
        with peak() as taken:
            try:
                read_image(path)
                sentence = ""
            except VolumeError as error:
                sentence = str(error)
        refused += bool(sentence)
        path.unlink()
        if taken.mb > MOST_MB or str(tmp_path) in sentence or "\n" in sentence or (file.must_fail and not sentence):
            wrong.append((file.file_name, taken.mb, sentence))
    assert wrong == [] and refused >= 300


def test_sizes_are_refused_by_the_header_with_the_limit_and_its_setting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SAMLABEL_IMAGE_MB", "1")
    path = tmp_path / "large.nii"
    path.write_bytes(nifti.Header(sizes=(512, 512, 3)).packed() + bytes(2 * 512 * 512 * 3))
    with pytest.raises(VolumeError, match=r"512x512x3 voxels, 1 MB; at most 1 MB are read \(setting image_mb"):
        read_image(path)
    monkeypatch.setenv("SAMLABEL_IMAGE_MB", "2")
    assert read_image(path).geometry.shape == (512, 512, 3)
    monkeypatch.setenv("SAMLABEL_IMAGE_MB", "many")
    with pytest.raises(VolumeError, match="SAMLABEL_IMAGE_MB must be a whole number"):
        read_image(path)


def test_a_label_is_compared_with_its_image_before_it_is_unpacked(tmp_path: Path) -> None:
    image = grid((8, 7, 6), (1, 1, 1))
    bomb = next(file for file in corpus() if file.file_name == "bomb-as-claimed.mha").written(tmp_path)
    small = tmp_path / "small.nii.gz"
    small.write_bytes(nifti.inflating_label((4, 4, 4)).content)
    with peak() as taken:
        with pytest.raises(VolumeError, match="MB are read"):
            read_mask(bomb, image)
        with pytest.raises(VolumeError, match="4x4x4 voxels against 8x7x6"):
            read_mask(small, image)
        fits = tmp_path / "fits.nii.gz"
        fits.write_bytes(nifti.inflating_label((8, 7, 6)).content)
        assert not np.any(read_mask(fits, image).array)  # gigabytes behind the last voxel stay packed
    assert taken.mb < MOST_MB


def test_a_series_with_a_file_that_would_end_the_process(tmp_path: Path) -> None:
    (tmp_path / "good.dcm").write_bytes(dicom.dicom({}))
    (tmp_path / "deep.dcm").write_bytes(dicom.dicom({}, between=dicom.nested(20_000)))
    with pytest.raises(VolumeError, match=r"deep\.dcm .* deep"):
        read_image(tmp_path)
