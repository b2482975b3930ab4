"""Checks before ITK reads: what a file claims, and that its content is what its suffix says."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import itk

from sam_infer.errors import VolumeError
from sam_infer.imaging.claims.claim import Claim, refusal, require_affordable, require_whole
from sam_infer.imaging.claims.nifti_claim import nifti_claim
from sam_infer.imaging.claims.picture_claim import picture_claim
from sam_infer.imaging.claims.text_claim import meta_claim, nrrd_claim
from sam_infer.imaging.dicom_tags import dicom_claim, require_shallow

# By suffix; headers that lie apart from their voxels (.nhdr, .mhd) are for whoever put them into a folder.
CLAIMS: dict[str, Callable[[Path], Claim]] = {
    ".nii.gz": nifti_claim,
    ".nii": nifti_claim,
    ".nrrd": nrrd_claim,
    ".mha": meta_claim,
    ".dcm": dicom_claim,
    **dict.fromkeys((".png", ".jpg", ".jpeg", ".tif", ".tiff"), picture_claim),
}

# ITK's reader of each: left alone it goes by the content, and a .nii may turn out to be a text that names a file.
READERS = {
    ".nii.gz": "Nifti",
    ".nii": "Nifti",
    ".nrrd": "Nrrd",
    ".nhdr": "Nrrd",
    ".mha": "Meta",
    ".mhd": "Meta",
    ".dcm": "GDCM",
}


def require_claim(path: Path, suffix: str) -> Claim | None:
    """What a file's header claims, refused where that is impossible or too large; None where only ITK can tell."""
    if path.stat().st_size == 0:
        raise VolumeError(f"{path.name} is empty (0 bytes)", "image")
    claim = CLAIMS[suffix](path) if suffix in CLAIMS else None
    if claim is not None:
        require_affordable(path.name, claim.sizes, claim.nbytes)
    return claim


def require_complete(path: Path, suffix: str) -> None:
    """Refuse a file that does not hold what it claims."""
    claim = require_claim(path, suffix)
    if claim is not None:
        require_whole(path, claim)


def require_series(folder: Path) -> None:
    """Refuse a folder with a file that would end the process of whoever looks for a series in it."""
    for file in sorted(folder.iterdir()):
        if file.is_file() and file.stat().st_size:
            require_shallow(file)


def itk_reader(path: Path, suffix: str, count: int = 1) -> Any:
    """ITK's reader of a file of this kind, or of so many slices like it, which has read the header."""
    picture = CLAIMS.get(suffix) is picture_claim
    mode = itk.CommonEnums.IOFileMode_ReadMode
    kind = READERS.get(suffix, "GDCM")
    reader = itk.ImageIOFactory.CreateImageIO(str(path), mode) if picture else getattr(itk, f"{kind}ImageIO").New()
    if reader is None or not reader.CanReadFile(str(path)):
        raise refusal(path.name, f"its content is damaged, or not that of a {suffix or 'DICOM'} file")
    reader.SetFileName(str(path))
    reader.ReadImageInformation()
    sizes = [int(reader.GetDimensions(n)) for n in range(reader.GetNumberOfDimensions())]
    require_affordable(path.name, sizes, int(reader.GetImageSizeInBytes()) * count)
    require_channels(path.name, int(reader.GetNumberOfComponents()))
    return reader


def require_channels(name: str, count: int) -> None:
    """Refuse what is neither grey nor colour."""
    if count not in (1, 3, 4):
        raise VolumeError(f"{name} has {count} channels; grey or RGB is expected", "image")
