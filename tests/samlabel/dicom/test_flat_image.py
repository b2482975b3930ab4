"""Labels of images without a place in the patient: on their pixels as a valid SEG, and back, frame by frame."""

from __future__ import annotations

import io
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from highdicom.seg import segread
from pydicom import Dataset, dcmread
from pydicom.filebase import DicomBytesIO

from sam_infer.errors import VolumeError
from sam_infer.imaging.geometry import Geometry
from sam_infer.imaging.itk_image import LPS_TO_RAS
from sam_infer.imaging.volume import Mask
from sam_trainer.synthetic.patients import ABDOMEN_LABELS
from samlabel.dicom.demo import SMALL, slice_dataset
from samlabel.dicom.flat_demo import FLAT, FlatDemo
from samlabel.dicom.flat_image import FlatImage
from samlabel.dicom.seg_read import read_seg
from samlabel.dicom.seg_write import MANUAL, Origin, referenced_series, write_seg

DX = FlatDemo("DX", "DX", (24, 20), 51, spacing="ImagerPixelSpacing")
CINE = FlatDemo("US-CINE", "US", (23, 19), 52, frames=5, spacing="PixelSpacing")  # bits of a frame end within a byte
IMAGES = (
    DX,
    replace(DX, name="DX-CALIBRATED", spacing="PixelSpacing"),
    replace(DX, name="DX-NO-SCALE", spacing=""),
    replace(DX, name="CR", modality="CR"),
    replace(DX, name="MG", modality="MG"),
    replace(DX, name="SC", modality="OT", spacing="NominalScannedPixelSpacing"),
    FlatDemo("US", "US", (24, 20), 52),
    FlatDemo("US-RGB", "US", (24, 20), 52, colour=True),
    CINE,
    FlatDemo("US-CINE-RGB", "US", (24, 20), 52, frames=3, colour=True),
)
ORIGIN = Origin(model="tiny", reader="dr.lee")


def case(image: FlatDemo) -> tuple[Mask, Dataset]:
    """The true label map on the image's grid, and the file."""
    header = image.dataset()
    found = FlatImage.of([header])
    assert found is not None
    return Mask(image.build()[1].array, found.geometry), header


def stored(dataset: Dataset) -> io.BytesIO:
    buffer = DicomBytesIO()
    dataset.save_as(buffer, write_like_original=False)
    return io.BytesIO(buffer.getvalue())


def renumbered(mask: Mask) -> np.ndarray:
    """The label map with values 1..n, as a segmentation counts."""
    numbers = np.zeros(256, np.uint8)
    numbers[mask.values()] = range(1, len(mask.values()) + 1)
    return numbers[mask.array]


@pytest.mark.parametrize("image", IMAGES, ids=lambda image: image.name)
def test_the_pixels_are_the_files_and_the_grid_is_to_scale(image: FlatDemo, tmp_path: Path) -> None:
    (file,) = image.write(tmp_path)
    found = FlatImage.of([dcmread(file, stop_before_pixels=True)])
    assert found is not None and found.frames == image.frames
    volume = found.read(file)
    np.testing.assert_array_equal(volume.array, image.build()[0].array)
    side = pytest.approx(image.pixel_mm, rel=1e-5) if image.spacing else 1.0
    assert volume.geometry.spacing_mm[:2] == (side, side)
    assert volume.geometry.world_axes == Geometry((2, 2, 2), LPS_TO_RAS).world_axes


@pytest.mark.parametrize("image", IMAGES, ids=lambda image: image.name)
def test_there_and_back_gives_equal_voxels(image: FlatDemo) -> None:
    mask, header = case(image)
    segmentation = dcmread(stored(write_seg(mask, ABDOMEN_LABELS, [header], ORIGIN)))
    back, names = read_seg(segmentation, mask.geometry)
    np.testing.assert_array_equal(back.array, renumbered(mask))
    assert list(names.values()) == [ABDOMEN_LABELS[value] for value in mask.values()]
    assert referenced_series(segmentation) == image.uid("series") and "FrameOfReferenceUID" not in segmentation
    assert segmentation.PatientOrientation == ["L", "F"]
    measures = segmentation.SharedFunctionalGroupsSequence[0].get("PixelMeasuresSequence")
    sides = [] if measures is None else list(measures[0].PixelSpacing)
    assert sides == ([pytest.approx(image.pixel_mm, rel=1e-4)] * 2 if image.spacing else [])
    for groups in segmentation.PerFrameFunctionalGroupsSequence:
        (source,) = groups.DerivationImageSequence[0].SourceImageSequence
        assert source.ReferencedSOPInstanceUID == image.uid("instance")
        assert ("ReferencedFrameNumber" in source) == (image.frames > 1)


@pytest.mark.parametrize("image", [DX, CINE], ids=lambda image: image.name)
def test_highdicom_reads_the_same(image: FlatDemo) -> None:
    mask, header = case(image)
    segmentation = segread(stored(write_seg(mask, ABDOMEN_LABELS, [header], ORIGIN)))
    options = {"combine_segments": True, "assert_missing_frames_are_empty": True}
    if image.frames > 1:
        frames = list(range(1, image.frames + 1))
        read = segmentation.get_pixels_by_source_frame(header.SOPInstanceUID, frames, **options)
    else:
        read = segmentation.get_pixels_by_source_instance([header.SOPInstanceUID], **options)
    np.testing.assert_array_equal(read.transpose(2, 1, 0), renumbered(mask))


def test_of_a_cine_loop_one_frame_may_be_labelled() -> None:
    mask, header = case(CINE)
    mask.array[:, :, [0, 1, 2, 4]] = 0
    segmentation = dcmread(stored(write_seg(mask, ABDOMEN_LABELS, [header], ORIGIN)))
    frames = segmentation.PerFrameFunctionalGroupsSequence
    assert len(frames) == len(mask.values()) == segmentation.NumberOfFrames
    named = {f.DerivationImageSequence[0].SourceImageSequence[0].ReferencedFrameNumber for f in frames}
    assert named == {4}
    back, _ = read_seg(segmentation, mask.geometry)
    np.testing.assert_array_equal(back.array, renumbered(mask))


def test_what_is_dark_on_the_screen_is_dark_for_a_network(tmp_path: Path) -> None:
    (file,) = DX.write(tmp_path)
    header = dcmread(file)
    header.PhotometricInterpretation = "MONOCHROME1"
    header.save_as(file)
    shown, plain = FlatImage(header).read(file).array.astype(int), DX.build()[0].array.astype(int)
    assert set((shown + plain).flat) == {4095}


def placed(image: Dataset) -> Dataset:
    image.ImagePositionPatient, image.ImageOrientationPatient = [0, 0, 0], [1, 0, 0, 0, 1, 0]
    return image


def test_only_one_file_without_a_place_is_such_an_image() -> None:
    volume, _ = SMALL[0].build()
    slices = [slice_dataset(SMALL[0], volume, k) for k in range(2)]
    assert FlatImage.of(slices) is None and FlatImage.of(slices[:1]) is None
    flat = replace(DX, spacing="PixelSpacing").dataset()
    assert FlatImage.of([flat, flat]) is None and FlatImage.of([flat]) is not None
    assert FlatImage.of([placed(flat)]) is not None  # without a frame of reference a place says nothing
    enhanced = CINE.dataset()
    enhanced.PerFrameFunctionalGroupsSequence = [Dataset()]
    assert FlatImage.of([enhanced]) is None
    with pytest.raises(VolumeError, match="no picture"):
        FlatImage.of([Dataset()])


def incomplete(header: Dataset) -> None:
    """What older files do not say."""
    for name in ("PatientBirthDate", "PatientSex", "AccessionNumber", "StudyID", "StudyTime", "PatientOrientation"):
        delattr(header, name)
    header.LossyImageCompression = "01"


def with_a_frame_of_reference(header: Dataset) -> None:
    header.FrameOfReferenceUID = DX.uid("frame")


def strange_spacing(header: Dataset) -> None:
    header.ImagerPixelSpacing, header.NominalScannedPixelSpacing = ["0", "0"], "0.2"


@pytest.mark.parametrize("change", [incomplete, with_a_frame_of_reference, strange_spacing])
def test_files_as_they_come(change: Callable[[Dataset], None], tmp_path: Path) -> None:
    header = DX.dataset()
    change(header)
    mask = Mask(DX.build()[1].array, FlatImage(header).geometry)
    segmentation = write_seg(mask, ABDOMEN_LABELS, [header], ORIGIN)
    back, _ = read_seg(dcmread(stored(segmentation)), mask.geometry)
    np.testing.assert_array_equal(back.array, renumbered(mask))
    segmentation.save_as(tmp_path / "seg.dcm", write_like_original=False)
    valid(tmp_path / "seg.dcm")


def test_a_slice_that_lacks_what_files_often_lack_takes_a_label() -> None:
    volume, truth = SMALL[0].build()
    header = slice_dataset(SMALL[0], volume, 3)
    for name in ("SliceThickness", "AccessionNumber", "StudyID"):
        delattr(header, name)
    affine = truth.geometry.affine.copy()
    affine[:3, 3] = truth.geometry.to_world([0, 0, 3])[0]
    mask = Mask(truth.array[:, :, 3:4], Geometry((24, 20, 1), affine))
    back, _ = read_seg(dcmread(stored(write_seg(mask, ABDOMEN_LABELS, [header], ORIGIN))), mask.geometry)
    np.testing.assert_array_equal(back.array, renumbered(mask))
    del header.FrameOfReferenceUID  # which CT must have
    with pytest.raises(VolumeError, match=r"no DICOM segmentation can refer to .*Frame Of Reference"):
        write_seg(mask, ABDOMEN_LABELS, [header], ORIGIN)


def test_labels_that_do_not_fit_are_refused() -> None:
    mask, header = case(CINE)
    for shape, told in [((23, 19, 4), "in 4 frames"), ((19, 23, 5), "19x23 pixels")]:
        wrong = Mask(np.ones(shape, np.uint8), Geometry(shape, LPS_TO_RAS))
        with pytest.raises(VolumeError, match=told):
            write_seg(wrong, {1: "liver"}, [header], ORIGIN)
    segmentation = dcmread(stored(write_seg(mask, ABDOMEN_LABELS, [header], ORIGIN)))
    for shape, told in [((24, 20, 5), "another size"), ((23, 19, 3), "nor a frame of the image")]:
        with pytest.raises(VolumeError, match=told):
            read_seg(segmentation, Geometry(shape, LPS_TO_RAS))
    for groups in segmentation.PerFrameFunctionalGroupsSequence:
        del groups.DerivationImageSequence
    with pytest.raises(VolumeError, match="nor a frame of the image"):
        read_seg(segmentation, mask.geometry)


def valid(file: Path) -> None:
    validator = shutil.which("dciodvfy")
    if validator is None:
        pytest.skip("dciodvfy is missing: apt install dicom3tools")
    done = subprocess.run([validator, str(file)], capture_output=True, text=True)
    assert "Error" not in done.stderr, done.stderr


@pytest.mark.parametrize("image", IMAGES, ids=lambda image: image.name)
def test_the_validator_finds_no_errors(image: FlatDemo, tmp_path: Path) -> None:
    mask, header = case(image)
    for number, origin in enumerate((ORIGIN, replace(ORIGIN, algorithm_type=MANUAL))):
        path = tmp_path / f"{number}.dcm"
        write_seg(mask, {**ABDOMEN_LABELS, 5: "graft 3"}, [header], origin).save_as(path, write_like_original=False)
        valid(path)


def test_what_the_demo_shows_is_valid(tmp_path: Path) -> None:
    for image in FLAT:
        (file,) = replace(image, size=(24, 20)).write(tmp_path / image.name)
        valid(file)
