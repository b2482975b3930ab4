"""Images that do not say where they lie in the patient: radiographs, ultrasound, captures. One file, maybe some frames.

All that a label of such an image can lie on are its pixels, frame by frame; a slice of its grid is a frame.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydicom import Dataset

from sam_infer.errors import VolumeError
from sam_infer.imaging.geometry import Geometry
from sam_infer.imaging.image_file import read_image
from sam_infer.imaging.itk_image import LPS_TO_RAS
from sam_infer.imaging.volume import Volume
from samlabel.dicom.slice_stack import NEEDED

# The distance of pixels in the patient, else on the detector, else on the paper that was scanned.
SPACINGS = ("PixelSpacing", "ImagerPixelSpacing", "NominalScannedPixelSpacing")


@dataclass(frozen=True, eq=False)
class FlatImage:
    """The one file of such a series, by its header."""

    header: Dataset

    @classmethod
    def of(cls, headers: Sequence[Dataset]) -> FlatImage | None:
        """The image that a series is; None where its files say where they lie, or are several."""
        if len(headers) != 1 or "PerFrameFunctionalGroupsSequence" in headers[0]:
            return None
        image = cls(headers[0])
        if not image.header.get("Rows") or not image.header.get("Columns"):
            raise VolumeError("the series holds no picture", "image")
        placed = all(image.header.get(name) for name in (*NEEDED, "FrameOfReferenceUID"))
        return None if placed and image.frames == 1 else image

    @property
    def frames(self) -> int:
        """How many pictures the file holds."""
        return int(self.header.get("NumberOfFrames") or 1)

    @property
    def spacing_mm(self) -> tuple[float, float] | None:
        """The distance of rows and that of columns, if the file says it."""
        for name in SPACINGS:
            found = [float(distance) for distance in np.atleast_1d(self.header.get(name) or [])]
            if len(found) == 2 and min(found) > 0:
                return found[0], found[1]
        return None

    @property
    def geometry(self) -> Geometry:
        """Its grid: that of a photograph, to scale where the file has one."""
        rows_mm, columns_mm = self.spacing_mm or (1.0, 1.0)
        shape = (int(self.header.Columns), int(self.header.Rows), self.frames)
        return Geometry(shape, LPS_TO_RAS @ np.diag([columns_mm, rows_mm, 1.0, 1.0]))

    def read(self, file: Path) -> Volume:
        """Its voxels as viewers show them: ITK turns them round where a file stores dark as high numbers."""
        volume, geometry = read_image(file), self.geometry
        if volume.geometry.shape != geometry.shape:
            raise VolumeError(
                f"the image's pixels do not fit its header: {volume.geometry.shape} against {geometry.shape}", "image"
            )
        return Volume(volume.array, geometry, volume.modality)

    def require_pixels(self, geometry: Geometry) -> None:
        """Refuse a label that has other pixels or frames."""
        if geometry.shape != self.geometry.shape:
            raise VolumeError(
                f"the label has {_told(geometry.shape)}, the image {_told(self.geometry.shape)}: it must have a value "
                "for every pixel of every frame",
                "label",
            )


def _told(shape: tuple[int, int, int]) -> str:
    return f"{shape[0]}x{shape[1]} pixels" + (f" in {shape[2]} frames" if shape[2] > 1 else "")
