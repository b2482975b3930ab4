"""The corpus: every hostile file there is, and mutants of good ones, always the same."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from functools import cache

import numpy as np

from tests.hostile import dicom, nifti, pictures, text_headers
from tests.hostile.file import HostileFile

SEED = 20
MUTANTS = 8
FLIPS = 6


@cache
def corpus() -> tuple[HostileFile, ...]:
    """All files; no two have one name."""
    made = (
        *nifti.nifti_files(),
        *text_headers.text_header_files(),
        *pictures.picture_files(),
        *dicom.dicom_files(),
        *mutants(),
    )
    assert len({file.file_name for file in made}) == len(made)
    return made


def few() -> tuple[HostileFile, ...]:
    """One of each sort, for what takes a second per file."""
    wanted = (
        "claims-32767-cubed.nii.gz",
        "bomb-as-claimed.nii.gz",
        "spacing-nan.nii",
        "five-dimensions.nii",
        "dimensions-minus-one.mha",
        "another-file.nrrd",
        "bomb-as-claimed.png",
        "cut-100.tif",
        "20000-sequences.dcm",
    )
    found = {file.file_name: file for file in corpus()}
    return tuple(found[name] for name in wanted)


def mutants() -> Iterator[HostileFile]:
    """Good files of every format with a few bytes of their first kilobyte changed."""
    whole = nifti.GOOD.file()
    good = {
        ".nii": whole,
        ".nii.gz": gzip.compress(whole, mtime=0),
        ".nrrd": text_headers.nrrd({}),
        ".mha": text_headers.meta({}),
        ".png": pictures.png(8, 8),
        ".tif": pictures.tiff({}),
        ".dcm": dicom.dicom({}),
    }
    draw = np.random.default_rng(SEED)
    for suffix, content in good.items():
        for number in range(MUTANTS):
            changed = bytearray(content)
            for place in draw.integers(0, min(len(content), 1024), FLIPS):
                changed[place] = int(draw.integers(0, 256))
            yield HostileFile(f"mutant-{number}", suffix, bytes(changed), must_fail=False)
