from pathlib import Path

import nibabel
import numpy as np
import pytest

from sam_infer.errors import VolumeError
from sam_infer.imaging.geometry import Geometry
from sam_infer.imaging.image_file import read_image, read_mask, write_image, write_mask
from sam_infer.imaging.volume import Mask, Volume
from sam_trainer.synthetic.patients import grid, lesion_photo, reoriented


@pytest.mark.parametrize("suffix", [".nii.gz", ".nii", ".nrrd", ".mha"])
@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1)])
def test_voxels_and_places_survive_every_volume_format(
    tmp_path: Path, l_phantom: tuple[Volume, Mask], suffix: str, order: tuple[int, ...]
) -> None:
    array, geometry = reoriented(l_phantom[0].array, l_phantom[0].geometry, order, (True, False, True))
    back = read_image(write_image(Volume(array, geometry, "CT"), tmp_path / f"image{suffix}"))
    assert np.array_equal(back.array, array) and back.geometry.same_as(geometry)
    assert back.array.dtype == np.int16


def test_nibabel_reads_the_same_voxel_at_the_same_place(tmp_path: Path, l_phantom: tuple[Volume, Mask]) -> None:
    volume, _ = l_phantom
    path = write_image(volume, tmp_path / "image.nii.gz")
    other = nibabel.load(path)
    assert np.array_equal(np.asarray(other.dataobj), volume.array)
    assert np.allclose(other.affine, volume.geometry.affine, atol=1e-3)


@pytest.mark.parametrize("name", ["grey.png", "grey.tif", "colour.png", "colour.jpg", "colour.tif"])
def test_flat_images_show_columns_as_i_and_rows_as_j(tmp_path: Path, name: str) -> None:
    from PIL import Image

    picture = np.zeros((20, 30, 3), np.uint8)
    picture[2:6, 10:29] = (200, 100, 50)
    Image.fromarray(picture if "colour" in name else picture[..., 0]).save(tmp_path / name)
    volume = read_image(tmp_path / name)
    assert volume.geometry.shape == (30, 20, 1) and volume.is_colour == ("colour" in name)
    assert np.ravel(volume.array[20, 4, 0])[0] > 150 > 50 > np.ravel(volume.array[4, 15, 0])[0]


def test_masks_are_written_whole_and_read_back(tmp_path: Path, l_phantom: tuple[Volume, Mask]) -> None:
    _, mask = l_phantom
    for name in ("mask.nii.gz", "mask.nrrd"):
        back = read_mask(write_mask(mask, tmp_path / name))
        assert np.array_equal(back.array, mask.array) and back.geometry.same_as(mask.geometry)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["mask.nii.gz", "mask.nrrd"]


def test_a_flat_mask_fits_a_png(tmp_path: Path) -> None:
    _, mask = lesion_photo(np.random.default_rng(0), 64)
    assert np.array_equal(read_mask(write_mask(mask, tmp_path / "m.png")).array, mask.array)


@pytest.mark.parametrize(("lowest", "modality"), [(-1000, "CT"), (-180, "CT"), (0, "OTHER"), (-20, "OTHER")])
def test_only_hounsfield_units_are_taken_for_ct(tmp_path: Path, lowest: int, modality: str) -> None:
    array = np.full((8, 8, 8), 40, np.int16)
    array[0] = lowest
    path = write_image(Volume(array, grid((8, 8, 8), (1, 1, 1))), tmp_path / "x.nii.gz")
    assert read_image(path).modality == modality
    assert read_image(path, "MR").modality == "MR"


@pytest.mark.parametrize("suffix", [".nii", ".nrrd", ".mha", ".png"])
def test_files_cut_short_are_refused_in_every_format(tmp_path: Path, suffix: str) -> None:
    shape = (40, 40, 1) if suffix == ".png" else (20, 20, 20)
    noise = np.random.default_rng(0).integers(0, 255, shape, dtype=np.uint8)
    path = write_image(Volume(noise, grid(shape, (1, 1, 1))), tmp_path / f"x{suffix}")
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])
    with pytest.raises(VolumeError, match="cannot be read"):
        read_image(path)


def damaged(tmp_path: Path, kind: str) -> Path:
    good = tmp_path / "good.nii.gz"
    write_image(Volume(np.arange(8000, dtype=np.int16).reshape(20, 20, 20), grid((20, 20, 20), (1, 1, 1))), good)
    path = tmp_path / "bad.nii.gz"
    if kind == "5d":
        nibabel.save(nibabel.Nifti1Image(np.zeros((6, 5, 4, 3, 2), np.float32), np.eye(4)), path)
    else:
        path.write_bytes({"truncated": good.read_bytes()[:400], "empty": b"", "text": b"not an image"}[kind])
    return path


@pytest.mark.parametrize(
    ("kind", "sentence"),
    [("truncated", "cannot be read"), ("empty", "is empty"), ("text", "cannot be read"), ("5d", "5 dimensions")],
)
def test_bad_files_are_refused_with_a_sentence(tmp_path: Path, kind: str, sentence: str) -> None:
    with pytest.raises(VolumeError, match=sentence):
        read_image(damaged(tmp_path, kind))


def test_missing_file_and_folder_without_series(tmp_path: Path) -> None:
    with pytest.raises(VolumeError, match="there is no file nowhere"):
        read_image(tmp_path / "nowhere.nii.gz")
    with pytest.raises(VolumeError, match="no DICOM series"):
        read_image(tmp_path)


def test_values_that_are_no_labels_are_refused(tmp_path: Path) -> None:
    path = write_image(Volume(np.full((3, 3, 3), 0.5), grid((3, 3, 3), (1, 1, 1))), tmp_path / "soft.nrrd")
    with pytest.raises(VolumeError, match="whole numbers"):
        read_mask(path)


def test_a_volume_does_not_fit_a_png(tmp_path: Path) -> None:
    with pytest.raises(VolumeError, match="does not fit"):
        write_mask(Mask.empty(grid((3, 3, 3), (1, 1, 1))), tmp_path / "m.png")


def test_nan_voxels_become_zero(tmp_path: Path) -> None:
    array = np.ones((4, 4, 4), np.float32)
    array[0, 0, 0] = np.nan
    path = write_image(Volume(array, grid((4, 4, 4), (1, 1, 1))), tmp_path / "nan.nii")
    assert read_image(path).array[0, 0, 0] == 0


def test_digest_knows_voxels_and_place() -> None:
    geometry = grid((3, 3, 3), (1, 1, 1))
    volume = Volume(np.zeros((3, 3, 3), np.int16), geometry)
    moved = geometry.affine.copy()
    moved[0, 3] += 1
    changed = volume.array.copy()
    changed[0, 0, 1] = 1
    digests = {volume.digest, Volume(volume.array, Geometry((3, 3, 3), moved)).digest, Volume(changed, geometry).digest}
    assert len(digests) == 3 and volume.digest == Volume(volume.array.copy(), geometry).digest
