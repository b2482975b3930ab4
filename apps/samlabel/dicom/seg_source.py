"""Source images as the DICOM SEG writer wants them: with every attribute that a segmentation repeats, if only empty."""

from __future__ import annotations

from pydicom import Dataset

from samlabel.dicom.flat_image import FlatImage

# What must be there and may be empty (type 2); files of radiographs and ultrasound often lack some of it.
REPEATED = (
    "PatientID",
    "PatientName",
    "PatientBirthDate",
    "PatientSex",
    "AccessionNumber",
    "StudyID",
    "StudyDate",
    "StudyTime",
)
# What ITK takes a slice for that does not say how thick it is; highdicom reads no segmentation without it.
UNKNOWN_MM = 1.0

LOSSY = ("LossyImageCompressionRatio", "LossyImageCompressionMethod")
PLACE = ("FrameOfReferenceUID", "PositionReferenceIndicator", "ImagePositionPatient", "ImageOrientationPatient")
PIXELS = ("PixelData", "NumberOfFrames")


def complete(header: Dataset) -> Dataset:
    """A copy of a header with nothing missing that a segmentation repeats."""
    source = _copy(header, ("PixelData",))
    for name in REPEATED:
        if name not in source:
            setattr(source, name, "")
    if not source.get("SliceThickness"):
        source.SliceThickness = UNKNOWN_MM
    if source.get("LossyImageCompression") == "01" and not all(source.get(name) for name in LOSSY):
        del source.LossyImageCompression  # older files do not say how, and half of the truth is no valid file
    return source


def without_place(image: FlatImage) -> Dataset:
    """One frame of an image without a place: its pixels are all that a segmentation can lie on."""
    source = _copy(complete(image.header), (*PLACE, *PIXELS, "PixelSpacing"))
    if image.spacing_mm is not None:
        source.PixelSpacing = list(image.spacing_mm)
    return source


def _copy(header: Dataset, without: tuple[str, ...]) -> Dataset:
    source = Dataset()
    for element in header:
        if element.keyword not in without:
            source.add(element)
    return source
