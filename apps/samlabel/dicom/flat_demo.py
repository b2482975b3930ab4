"""Procedural radiographs and ultrasound as DICOM files: images that do not say where they lie in the patient.

As in `demo.py` everything follows from the seed, UIDs included.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from highdicom.sr import CodedConcept
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian

from sam_infer.arrays import UInt8Array
from sam_infer.imaging.geometry import Geometry
from sam_infer.imaging.itk_image import LPS_TO_RAS
from sam_infer.imaging.volume import Mask, Volume
from sam_trainer.synthetic.patients import grid, patient
from samlabel.dicom.demo import add_study, uid_of

SOP_CLASSES = {
    "CR": "1.2.840.10008.5.1.4.1.1.1",
    "DX": "1.2.840.10008.5.1.4.1.1.1.1",
    "MG": "1.2.840.10008.5.1.4.1.1.1.2",
    "US": "1.2.840.10008.5.1.4.1.1.6.1",
    "OT": "1.2.840.10008.5.1.4.1.1.7",
}
MULTI_FRAME_US = "1.2.840.10008.5.1.4.1.1.3.1"
RADIOGRAPHS = ("CR", "DX", "MG")

# What files of a kind must say besides.
DIGITAL = {
    "PresentationIntentType": "FOR PRESENTATION",
    "ImageLaterality": "U",
    "PixelIntensityRelationship": "LOG",
    "PixelIntensityRelationshipSign": 1,
    "RescaleIntercept": "0",
    "RescaleSlope": "1",
    "RescaleType": "US",
    "PresentationLUTShape": "IDENTITY",
    "BurnedInAnnotation": "NO",
    "DetectorType": "",
    "PositionerType": "",
    "AcquisitionContextSequence": [],
}
BESIDES: dict[str, dict[str, Any]] = {
    "CR": {"ViewPosition": "AP"},
    "DX": DIGITAL,
    "MG": DIGITAL,
    "OT": {"ConversionType": "WSD"},
    "US": {},
}

# Columns run to the patient's left, rows to the feet, rays to the back.
FRONTAL = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, -1.0], [0.0, 1.0, 0.0]])

# Dark to bright: what is brighter hides what is darker along a ray.
BY_BRIGHTNESS = (1, 2, 4, 3, 5, 6)

WIDTH_MM, HEIGHT_MM, DEPTH_MM = 330.0, 260.0, 240.0
RAYS = 16
RED_OF_US = (1.0, 0.93, 0.82)


@dataclass(frozen=True)
class FlatDemo:
    """One file of one synthetic patient: a radiograph, or ultrasound of one frame or several, grey or in colour."""

    name: str
    modality: str
    size: tuple[int, int]  # columns, rows
    patient: int
    frames: int = 1
    colour: bool = False
    spacing: str = ""  # the attribute that says the distance of pixels, if one does
    description: str = "flat"
    position: str = ""

    @property
    def pixel_mm(self) -> float:
        """The distance of pixels, whether the file says it or not."""
        return WIDTH_MM / self.size[0]

    def uid(self, level: str, number: int | str = "") -> str:
        """A UID of this image's study, series or instance."""
        return uid_of(self.name, level, number)

    def build(self) -> tuple[Volume, Mask]:
        """Image and true label map, a slice per frame, where a viewer puts them; the same at every call."""
        pixels, labels = _radiograph(self) if self.modality in RADIOGRAPHS else _ultrasound(self)
        side = self.pixel_mm if self.spacing else 1.0
        geometry = Geometry((*self.size, self.frames), LPS_TO_RAS @ np.diag([side, side, 1.0, 1.0]))
        if self.colour:
            pixels = np.rint(pixels[..., None] * RED_OF_US).astype(np.uint8)
        return Volume(pixels, geometry, "RGB" if self.colour else "OTHER"), Mask(np.asfortranarray(labels), geometry)

    def write(self, folder: Path) -> list[Path]:
        """The file in a folder."""
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / "0001.dcm"
        self.dataset().save_as(path, write_like_original=False)
        return [path]

    def dataset(self) -> Dataset:
        """The image as it is in the file."""
        dataset = Dataset()
        dataset.file_meta = FileMetaDataset()
        dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        dataset.is_little_endian, dataset.is_implicit_VR = True, False
        dataset.SOPClassUID = MULTI_FRAME_US if self.frames > 1 else SOP_CLASSES[self.modality]
        dataset.SOPInstanceUID, dataset.InstanceNumber = self.uid("instance"), 1
        add_study(dataset, self)
        dataset.ImageType, dataset.PatientOrientation = ["ORIGINAL", "PRIMARY"], ["L", "F"]
        dataset.Manufacturer, dataset.ManufacturerModelName = "samlabel", "procedural phantom"
        for name, value in BESIDES[self.modality].items():
            setattr(dataset, name, value)
        if self.modality in ("DX", "MG"):
            dataset.AnatomicRegionSequence = [CodedConcept("818981001", "SCT", "Abdomen")]
        if self.spacing:
            setattr(dataset, self.spacing, [f"{self.pixel_mm:.6g}"] * 2)
        _add_pixels(dataset, self)
        dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
        dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
        return dataset


# What the viewers must show and the server take, beside volumes.
FLAT = (
    FlatDemo("FLAT-DX", "DX", (256, 208), 41, spacing="ImagerPixelSpacing", description="frontal"),
    FlatDemo("FLAT-US", "US", (288, 224), 42, colour=True, description="one frame"),
    FlatDemo("FLAT-US-CINE", "US", (240, 192), 43, frames=12, spacing="PixelSpacing", description="cine"),
)


def _radiograph(image: FlatDemo) -> tuple[npt.NDArray[np.uint16], UInt8Array]:
    """The brightest voxel along each ray from the front to the back."""
    columns, rows = image.size
    place = grid((columns, rows, RAYS), (image.pixel_mm, HEIGHT_MM / rows, DEPTH_MM / RAYS), FRONTAL)
    volume, mask = patient([image.patient, 7], place, "CT")
    labels = np.zeros((columns, rows, 1), np.uint8)
    for value in BY_BRIGHTNESS:
        labels[(mask.array == value).any(axis=2)] = value
    bright = volume.array.max(axis=2, keepdims=True)
    return np.asfortranarray(np.clip(bright.astype(np.int32) + 1024, 0, 4095).astype(np.uint16)), labels


def _ultrasound(image: FlatDemo) -> tuple[UInt8Array, UInt8Array]:
    """Axial slices in the fan of a curved probe, with speckle; a frame is 3 mm further to the head."""
    columns, rows = image.size
    place = grid((columns, rows, image.frames), (image.pixel_mm, DEPTH_MM / rows, 3.0))
    volume, mask = patient([image.patient, 7], place, "MR")
    i, j = np.meshgrid(np.linspace(-1, 1, columns), np.linspace(0, 1, rows), indexing="ij")
    fan = (np.abs(i) < 0.35 + 0.6 * j) & (np.hypot(i, j + 0.3) < 1.25)
    speckle = np.random.default_rng(image.patient).rayleigh(0.8, volume.array.shape)
    grey = np.clip(volume.array * 0.3 * (0.7 + 0.3 * speckle), 0, 255) * fan[..., None]
    return np.asfortranarray(np.rint(grey).astype(np.uint8)), mask.array * fan[..., None].astype(np.uint8)


def _add_pixels(dataset: Dataset, image: FlatDemo) -> None:
    volume, _ = image.build()
    stored = np.ascontiguousarray(volume.array.transpose(2, 1, 0, *range(3, volume.array.ndim)))
    dataset.Rows, dataset.Columns = stored.shape[1:3]
    if image.frames > 1:
        dataset.NumberOfFrames, dataset.FrameTime = image.frames, "40"
        dataset.FrameIncrementPointer = 0x00181063
    dataset.SamplesPerPixel = 3 if image.colour else 1
    dataset.PhotometricInterpretation = "RGB" if image.colour else "MONOCHROME2"
    if image.colour:
        dataset.PlanarConfiguration = 0
    else:
        centre, width = (1200, 700) if image.modality in RADIOGRAPHS else (128, 256)
        dataset.WindowCenter, dataset.WindowWidth = str(centre), str(width)
    bits = 12 if stored.dtype == np.uint16 else 8
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = stored.dtype.itemsize * 8, bits, bits - 1
    dataset.PixelRepresentation = 0
    dataset.LossyImageCompression = "00"
    dataset.PixelData = stored.tobytes()
