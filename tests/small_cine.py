"""A cine as a DICOM series: one file for each slice of each phase, as scanners write them."""

from __future__ import annotations

from pathlib import Path

from sam_infer.imaging.cine import Cine
from samlabel.dicom.demo import DemoSeries, slice_dataset, uid_of

PLACES, TIMES = 3, 4

SERIES = DemoSeries("SMALL-CINE", "MR", (16, 14, PLACES), (10.0, 10.0, 20.0), 31)


def cine_series(cine: Cine, folder: Path) -> Path:
    """The folder with the files, numbered slice by slice: all phases of one, then all of the next."""
    folder.mkdir(parents=True)
    for phase, volume in enumerate(cine.phases):
        for k in range(volume.geometry.shape[2]):
            dataset = slice_dataset(SERIES, volume, k)
            number = k * len(cine.phases) + phase + 1
            dataset.SOPInstanceUID = uid_of(SERIES.name, "instance", number)
            dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
            dataset.InstanceNumber, dataset.TriggerTime = number, 1000 * cine.step_s * phase
            dataset.save_as(folder / f"{number:04d}.dcm", write_like_original=False)
    return folder
