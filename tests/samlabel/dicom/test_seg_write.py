"""Label maps to DICOM SEG and back: equal voxels, true origin, whatever the geometry."""

import io
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from highdicom.seg import segread
from pydicom import Dataset, dcmread
from pydicom.filebase import DicomBytesIO

from sam_infer.errors import VolumeError
from sam_infer.imaging.geometry import Geometry
from sam_infer.imaging.image_file import read_image
from sam_infer.imaging.volume import Mask
from sam_trainer.synthetic.patients import ABDOMEN_LABELS, rotation
from samlabel.dicom.demo import SAGITTAL, SMALL, DemoSeries, write_series
from samlabel.dicom.seg_read import read_seg
from samlabel.dicom.seg_write import AUTOMATIC, MANUAL, Origin, referenced_series, slices_of, write_seg

SERIES = (
    SMALL[0],
    SMALL[1],
    DemoSeries("FEET", "CT", (23, 19, 7), (8.0, 9.0, 16.0), 31, rotation(0, 180, 0), position="FFS"),
    DemoSeries("SAGITTAL", "MR", (21, 18, 9), (8.0, 9.0, 20.0), 32, SAGITTAL),
)
ORIGIN = Origin(model="tiny", adapter="a1b2c3", prompts="d4e5f6", reader="dr.lee")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("series")


def case(folder: Path, series: DemoSeries) -> tuple[Mask, list[Dataset]]:
    """The true label map on the grid of the files as our own reader sees them, and the files."""
    place = folder / series.name
    volume, mask = series.build()
    if not place.exists():
        write_series(series, volume, place)
    geometry = read_image(place).geometry
    # the reader must see the grid that was written
    assert geometry.same_as(mask.geometry)
    return Mask(mask.array, geometry), [dcmread(path) for path in sorted(place.iterdir())]


def stored(dataset: Dataset) -> Dataset:
    """What comes back after the object was written to a file."""
    buffer = DicomBytesIO()
    dataset.save_as(buffer, write_like_original=False)
    return dcmread(io.BytesIO(buffer.getvalue()))


@pytest.mark.parametrize("series", SERIES, ids=lambda s: s.name)
def test_there_and_back_gives_equal_voxels(folder: Path, series: DemoSeries) -> None:
    mask, sources = case(folder, series)
    segmentation = stored(write_seg(mask, ABDOMEN_LABELS, sources, ORIGIN))
    back, names = read_seg(segmentation, mask.geometry)
    present = [int(v) for v in np.unique(mask.array) if v]
    assert list(names.values()) == [ABDOMEN_LABELS[v] for v in present]
    renumbered = np.zeros(256, np.uint8)
    renumbered[present] = range(1, len(present) + 1)
    np.testing.assert_array_equal(back.array, renumbered[mask.array])


@pytest.mark.parametrize("series", SERIES, ids=lambda s: s.name)
def test_highdicom_reads_the_same(folder: Path, series: DemoSeries) -> None:
    mask, sources = case(folder, series)
    buffer = DicomBytesIO()
    write_seg(mask, ABDOMEN_LABELS, sources, ORIGIN).save_as(buffer, write_like_original=False)
    segmentation = segread(io.BytesIO(buffer.getvalue()))
    uids = [source.SOPInstanceUID for source in slices_of(sources, mask.geometry)]
    read = segmentation.get_pixels_by_source_instance(uids, combine_segments=True, assert_missing_frames_are_empty=True)
    numbers = [0, *(int(v) for v in np.unique(mask.array) if v)]
    np.testing.assert_array_equal(np.asarray(numbers)[read].transpose(2, 1, 0), mask.array)


def test_everything_that_traces_a_mask_is_inside(folder: Path) -> None:
    mask, sources = case(folder, SERIES[0])
    segmentation = stored(write_seg(mask, {**ABDOMEN_LABELS, 5: "graft 3"}, sources, ORIGIN))
    by_label = {item.SegmentLabel: item for item in segmentation.SegmentSequence}
    kidney, graft = by_label["kidney_left"], by_label["graft 3"]
    type_of = kidney.SegmentedPropertyTypeCodeSequence[0]
    assert (type_of.CodeValue, type_of.CodingSchemeDesignator) == ("64033007", "SCT")
    assert type_of.SegmentedPropertyTypeModifierCodeSequence[0].CodeMeaning == "Left"
    assert graft.SegmentedPropertyTypeCodeSequence[0].CodingSchemeDesignator == "99SAMLABEL"
    assert graft.SegmentedPropertyTypeCodeSequence[0].CodeMeaning == "graft 3"
    assert kidney.SegmentAlgorithmType == "SEMIAUTOMATIC"
    algorithm = kidney.SegmentationAlgorithmIdentificationSequence[0]
    for part in ("model=tiny", "adapter=a1b2c3", "prompts=d4e5f6"):
        assert part in algorithm.AlgorithmParameters.replace(" ", "").replace("'", "").replace(":", "=")
    assert segmentation.ContentCreatorName == "dr.lee^" and segmentation.SoftwareVersions
    assert segmentation.Modality == "SEG" and segmentation.SegmentationType == "BINARY"
    assert referenced_series(segmentation) == SERIES[0].uid("series")
    assert segmentation.StudyInstanceUID == SERIES[0].uid("study")
    assert segmentation.PatientID == "SMALL-CT" and segmentation.FrameOfReferenceUID == SERIES[0].uid("frame")


def test_the_algorithm_type_is_what_happened(folder: Path) -> None:
    mask, sources = case(folder, SERIES[0])
    automatic = write_seg(mask, ABDOMEN_LABELS, sources, replace(ORIGIN, algorithm_type=AUTOMATIC))
    manual = write_seg(mask, ABDOMEN_LABELS, sources, replace(ORIGIN, algorithm_type=MANUAL))
    assert {item.SegmentAlgorithmType for item in automatic.SegmentSequence} == {"AUTOMATIC"}
    assert {item.SegmentAlgorithmType for item in manual.SegmentSequence} == {"MANUAL"}
    assert not any("SegmentAlgorithmName" in item for item in manual.SegmentSequence)
    with pytest.raises(VolumeError, match="algorithm_type"):
        Origin(algorithm_type="GUESSED")


def test_the_same_label_has_the_same_uid_and_another_another(folder: Path) -> None:
    mask, sources = case(folder, SERIES[0])
    first, again = (write_seg(mask, ABDOMEN_LABELS, sources, ORIGIN).SOPInstanceUID for _ in range(2))
    other = write_seg(mask, {**ABDOMEN_LABELS, 1: "tumor"}, sources, ORIGIN).SOPInstanceUID
    assert first == again != other


def test_values_need_not_be_consecutive(folder: Path) -> None:
    mask, sources = case(folder, SERIES[0])
    array = np.where(mask.array == 1, 200, np.where(mask.array == 2, 7, 0)).astype(np.uint8)
    back, names = read_seg(
        stored(write_seg(Mask(array, mask.geometry), {200: "liver", 7: "spleen"}, sources, ORIGIN)), mask.geometry
    )
    assert names == {1: "spleen", 2: "liver"}
    np.testing.assert_array_equal(back.array == 2, mask.array == 1)


def test_labels_that_do_not_fit_are_refused(folder: Path) -> None:
    mask, sources = case(folder, SERIES[0])
    moved = mask.geometry.affine.copy()
    moved[0, 3] += 5
    turned = Geometry(mask.geometry.shape, np.diag([-9.0, -9.0, 18.0, 1.0]) @ np.diag([-1.0, 1, 1, 1]))
    for wrong, sentence in [
        (Mask.empty(mask.geometry), "empty"),
        (Mask(mask.array, Geometry(mask.geometry.shape, moved)), "elsewhere"),
        (Mask(mask.array, turned), "elsewhere"),
        (Mask(mask.array[:, :, 1:], Geometry((24, 20, 5), mask.geometry.affine)), "slices"),
        (Mask(mask.array[1:], Geometry((23, 20, 6), mask.geometry.affine)), "size"),
    ]:
        with pytest.raises(VolumeError, match=sentence):
            write_seg(wrong, ABDOMEN_LABELS, sources, ORIGIN)
    with pytest.raises(VolumeError, match="no name"):
        write_seg(mask, {1: "liver"}, sources, ORIGIN)
    double = [*sources[:-1], sources[0]]
    with pytest.raises(VolumeError, match="same place"):
        write_seg(mask, ABDOMEN_LABELS, double, ORIGIN)


def foreign(mask: Mask, sources: list[Dataset]) -> Dataset:
    return stored(write_seg(mask, ABDOMEN_LABELS, sources, ORIGIN))


def test_frames_in_another_order_change_nothing(folder: Path) -> None:
    mask, sources = case(folder, SERIES[1])
    segmentation = foreign(mask, sources)
    expected, _ = read_seg(segmentation, mask.geometry)
    order = np.random.default_rng(1).permutation(int(segmentation.NumberOfFrames))
    pixels = segmentation.pixel_array[order]
    segmentation.PerFrameFunctionalGroupsSequence = [segmentation.PerFrameFunctionalGroupsSequence[n] for n in order]
    packed = np.packbits(pixels.ravel(), bitorder="little").tobytes()
    segmentation.PixelData = packed + b"\0" * (len(packed) % 2)
    back, _ = read_seg(stored(segmentation), mask.geometry)
    np.testing.assert_array_equal(back.array, expected.array)


def test_fractional_segments_count_from_one_half(folder: Path) -> None:
    mask, sources = case(folder, SERIES[0])
    segmentation = foreign(mask, sources)
    expected, _ = read_seg(segmentation, mask.geometry)
    pixels = segmentation.pixel_array * 60 + 20
    segmentation.SegmentationType, segmentation.MaximumFractionalValue = "FRACTIONAL", 100
    segmentation.BitsAllocated, segmentation.BitsStored, segmentation.HighBit = 8, 8, 7
    segmentation.PixelData = pixels.astype(np.uint8).tobytes()
    segmentation["PixelData"].VR = "OB"
    back, _ = read_seg(segmentation, mask.geometry)
    np.testing.assert_array_equal(back.array, expected.array)


@pytest.mark.parametrize("series", SERIES[:2], ids=lambda s: s.name)
def test_a_segmentation_on_another_grid_is_resampled_to_its_place(folder: Path, series: DemoSeries) -> None:
    """Half the pixel size, reversed slices: what other tools store."""
    mask, sources = case(folder, series)
    segmentation = foreign(mask, sources)
    fine = np.diag([0.5, 0.5, 1.0, 1.0])
    fine[:2, 3] = -0.25
    shape = mask.geometry.shape
    target = Geometry((2 * shape[0], 2 * shape[1], shape[2]), mask.geometry.affine @ fine)
    expected, _ = read_seg(segmentation, mask.geometry)
    back, _ = read_seg(segmentation, target)
    np.testing.assert_array_equal(back.array, expected.array.repeat(2, 0).repeat(2, 1))
    flip = np.diag([1.0, 1.0, -1.0, 1.0])
    flip[2, 3] = shape[2] - 1
    back, _ = read_seg(segmentation, Geometry(shape, mask.geometry.affine @ flip))
    np.testing.assert_array_equal(back.array, expected.array[:, :, ::-1])


def test_what_is_no_segmentation_is_refused(folder: Path) -> None:
    mask, sources = case(folder, SERIES[0])
    with pytest.raises(VolumeError, match="no segmentation"):
        read_seg(sources[0], mask.geometry)
    segmentation = foreign(mask, sources)
    del segmentation.PerFrameFunctionalGroupsSequence
    with pytest.raises(VolumeError, match="cannot be understood"):
        read_seg(segmentation, mask.geometry)


@pytest.mark.parametrize("series", SERIES, ids=lambda s: s.name)
def test_the_validator_finds_no_errors(folder: Path, series: DemoSeries, tmp_path: Path) -> None:
    validator = shutil.which("dciodvfy")
    if validator is None:
        pytest.skip("dciodvfy is missing: apt install dicom3tools")
    mask, sources = case(folder, series)
    for number, origin in enumerate((ORIGIN, replace(ORIGIN, algorithm_type=MANUAL))):
        path = tmp_path / f"{number}.dcm"
        write_seg(mask, {**ABDOMEN_LABELS, 5: "graft 3"}, sources, origin).save_as(path, write_like_original=False)
    for path in [*sorted((folder / series.name).iterdir())[:2], *sorted(tmp_path.glob("*.dcm"))]:
        done = subprocess.run([validator, str(path)], capture_output=True, text=True)
        assert "Error" not in done.stderr, done.stderr
