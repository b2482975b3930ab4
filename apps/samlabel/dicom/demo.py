"""The procedural demo patients as DICOM series, and the geometries that the viewers are tested with.

Everything follows from the seed, UIDs included: writing twice gives the same files, and a study that was annotated
yesterday is the same study today. Names say that nobody here is a patient.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, MRImageStorage

from sam_infer.arrays import Float64Array
from sam_infer.imaging.itk_image import LPS_TO_RAS
from sam_infer.imaging.volume import Mask, Volume
from sam_trainer.synthetic.patients import grid, patient, rotation

# UIDs of the form 2.25.<number> need no registration; the number is hashed from this and a name.
NAMESPACE = uuid.UUID("8f0c2a54-6a3e-4d0b-9d0a-3c5a1c1c7b11")

CT_OFFSET = 1024
CT_WINDOW = (40, 400)
STUDY_DATE = "20260105"

# Columns run to the back, rows to the feet, slices to the right: what MR of the spine looks like.
SAGITTAL = np.array([[0.0, 0.0, 1.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])


class Demo(Protocol):
    """One series of one synthetic patient, whatever kind of image it is."""

    @property
    def name(self) -> str:
        """Of the patient, and of the folder."""

    @property
    def modality(self) -> str:
        """As DICOM writes it."""

    @property
    def patient(self) -> int:
        """Which one of the synthetic patients."""

    @property
    def description(self) -> str:
        """What the series is called in lists."""

    @property
    def position(self) -> str:
        """How the patient lies, as DICOM writes it; empty where nobody knows."""

    def build(self) -> tuple[Volume, Mask]:
        """Image and true label map; the same at every call."""

    def uid(self, level: str, number: int | str = "") -> str:
        """A UID of this series' study, series or instance."""

    def write(self, folder: Path) -> list[Path]:
        """The files in a folder."""


@dataclass(frozen=True)
class DemoSeries:
    """One series of one synthetic patient on one grid."""

    name: str
    modality: str
    shape: tuple[int, int, int]
    spacing_mm: tuple[float, float, float]
    patient: int
    turn: Float64Array | None = None
    descending: bool = False  # instance numbers run from head to feet
    position: str = "HFS"
    description: str = "axial"

    def build(self) -> tuple[Volume, Mask]:
        """Image and true label map; the same at every call."""
        return patient([self.patient, 7], grid(self.shape, self.spacing_mm, self.turn), self.modality)

    def uid(self, level: str, number: int | str = "") -> str:
        """A UID of this series' study, series, frame of reference or instance."""
        return uid_of(self.name, level, number)

    def write(self, folder: Path) -> list[Path]:
        """One file per slice."""
        return write_series(self, self.build()[0], folder)


# What `make serve` shows when no studies are given.
DEMO = (
    DemoSeries("DEMO-CT-1", "CT", (192, 160, 48), (1.8, 1.8, 5.0), 1),
    DemoSeries("DEMO-CT-2", "CT", (176, 144, 40), (2.0, 2.0, 6.0), 2, descending=True),
    DemoSeries("DEMO-MR-1", "MR", (160, 144, 36), (2.1, 2.1, 6.0), 3),
)

# What the viewers must get right.
MATRIX = (
    DemoSeries("MATRIX-DESCENDING", "CT", (160, 144, 40), (2.0, 2.0, 6.0), 11, descending=True),
    DemoSeries(
        "MATRIX-FEET-FIRST",
        "CT",
        (160, 144, 40),
        (2.0, 2.0, 6.0),
        12,
        rotation(0, 180, 0),
        position="FFS",
        description="axial, feet first",
    ),
    DemoSeries("MATRIX-OBLIQUE", "CT", (160, 144, 40), (2.0, 2.0, 6.0), 13, rotation(15, 12, 7), description="oblique"),
    DemoSeries("MATRIX-SAGITTAL", "MR", (144, 128, 48), (2.0, 2.2, 6.0), 14, SAGITTAL, description="sagittal"),
)

# Seconds instead of minutes, for tests of everything around the pixels.
SMALL = (
    DemoSeries("SMALL-CT", "CT", (24, 20, 6), (9.0, 9.0, 18.0), 21, descending=True),
    DemoSeries("SMALL-MR", "MR", (20, 22, 5), (9.0, 9.0, 20.0), 22, rotation(15, 12, 7), description="oblique"),
    DemoSeries("SMALL-OTHER", "CT", (24, 20, 6), (9.0, 9.0, 18.0), 23),
)


def uid_of(name: str, level: str, number: int | str = "") -> str:
    """The UID of something of a synthetic patient."""
    return f"2.25.{uuid.uuid5(NAMESPACE, f'{name}/{level}/{number}').int}"


def demo_dicom(folder: Path, series: Sequence[Demo] = DEMO) -> Path:
    """Write series into a folder, each once; a series that was cut short is written again."""
    for item in series:
        place = folder / item.name
        finished = place / ".complete"
        if not finished.exists():
            item.write(place)
            finished.touch()
    return folder


def write_series(series: DemoSeries, volume: Volume, folder: Path) -> list[Path]:
    """One file per slice, in the order of k."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for k in range(volume.geometry.shape[2]):
        path = folder / f"{k + 1:04d}.dcm"
        slice_dataset(series, volume, k).save_as(path, write_like_original=False)
        paths.append(path)
    return paths


def slice_dataset(series: DemoSeries, volume: Volume, k: int) -> Dataset:
    """Slice `k` as a CT or MR image."""
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.is_little_endian, dataset.is_implicit_VR = True, False
    count = volume.geometry.shape[2]
    dataset.SOPClassUID = CTImageStorage if series.modality == "CT" else MRImageStorage
    dataset.SOPInstanceUID = series.uid("instance", k)
    dataset.InstanceNumber = count - k if series.descending else k + 1
    add_study(dataset, series)
    dataset.FrameOfReferenceUID, dataset.PositionReferenceIndicator = series.uid("frame"), ""
    _add_equipment(dataset, series)
    _add_plane(dataset, volume, k)
    _add_pixels(dataset, volume, k)
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    return dataset


def add_study(dataset: Dataset, series: Demo) -> None:
    """Patient, study and series of a file."""
    dataset.SpecificCharacterSet = "ISO_IR 192"
    dataset.PatientName = f"Synthetic^Phantom {series.patient}"
    dataset.PatientID, dataset.PatientBirthDate, dataset.PatientSex = series.name, "", "O"
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = series.uid("study"), series.uid("series")
    dataset.StudyDate = dataset.SeriesDate = dataset.ContentDate = STUDY_DATE
    dataset.StudyTime = dataset.SeriesTime = dataset.ContentTime = f"{8 + series.patient % 12:02d}0000"
    dataset.StudyID, dataset.SeriesNumber, dataset.AccessionNumber = str(series.patient), 1, ""
    dataset.ReferringPhysicianName = ""
    dataset.StudyDescription = f"Procedural abdomen, {series.modality}"
    dataset.SeriesDescription = f"{series.modality} {series.description}"
    dataset.Modality, dataset.PatientPosition = series.modality, series.position
    dataset.BodyPartExamined = "ABDOMEN"


def _add_equipment(dataset: Dataset, series: DemoSeries) -> None:
    dataset.Manufacturer, dataset.ManufacturerModelName = "samlabel", "procedural phantom"
    dataset.SoftwareVersions = "1"
    dataset.AcquisitionNumber = 1
    if series.modality == "CT":
        dataset.ImageType, dataset.KVP = ["ORIGINAL", "PRIMARY", "AXIAL"], "120"
        return
    dataset.ImageType = ["ORIGINAL", "PRIMARY", "OTHER"]
    dataset.ScanningSequence, dataset.SequenceVariant, dataset.ScanOptions = "GR", "NONE", ""
    dataset.MRAcquisitionType, dataset.EchoTrainLength = "3D", 1
    dataset.RepetitionTime, dataset.EchoTime, dataset.MagneticFieldStrength = "6.0", "2.4", "1.5"
    dataset.FlipAngle = "12"


def _add_plane(dataset: Dataset, volume: Volume, k: int) -> None:
    lps = LPS_TO_RAS @ volume.geometry.affine
    spacing = volume.geometry.spacing_mm
    dataset.PixelSpacing = [_decimal(spacing[1]), _decimal(spacing[0])]
    dataset.SliceThickness = _decimal(spacing[2])
    dataset.ImageOrientationPatient = [
        _decimal(v) for axis in (0, 1) for v in lps[:3, axis] / np.linalg.norm(lps[:3, axis])
    ]
    dataset.ImagePositionPatient = [_decimal(v) for v in (lps @ [0, 0, k, 1])[:3]]


def _add_pixels(dataset: Dataset, volume: Volume, k: int) -> None:
    plane = volume.array[:, :, k].T.astype(np.int32)
    if dataset.Modality == "CT":
        plane = plane + CT_OFFSET
        dataset.RescaleIntercept, dataset.RescaleSlope, dataset.RescaleType = str(-CT_OFFSET), "1", "HU"
        dataset.WindowCenter, dataset.WindowWidth = (str(number) for number in CT_WINDOW)
    else:
        bright = int(np.percentile(volume.array, 99.5))
        dataset.WindowCenter, dataset.WindowWidth = str(bright // 2), str(bright)
    dataset.Rows, dataset.Columns = plane.shape
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 16, 16, 15, 0
    dataset.PixelData = np.ascontiguousarray(np.clip(plane, 0, 65535).astype("<u2")).tobytes()


def _decimal(value: float) -> str:
    """A decimal string of at most 16 characters, and no negative zero."""
    return f"{round(float(value), 8) + 0.0:.10g}"[:16]
