"""A cine as a DICOM series: one file for each slice of each phase, as scanners write them."""

from __future__ import annotations

from pathlib import Path

from pydicom import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import EnhancedMRImageStorage

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


def cine_file(cine: Cine, path: Path) -> Path:
    """The same in one file (Enhanced MR), the last phase first."""
    frames = [(phase, k) for phase in reversed(range(len(cine.phases))) for k in range(cine.geometry.shape[2])]
    slices = [slice_dataset(SERIES, cine.phases[phase], k) for phase, k in frames]
    whole, groups = slices[0], []
    for (phase, _), one in zip(frames, slices, strict=True):
        own = Dataset()
        own.PlanePositionSequence = Sequence([_only(one, "ImagePositionPatient")])
        own.FrameContentSequence = Sequence([Dataset()])
        own.FrameContentSequence[0].TemporalPositionIndex = phase + 1
        groups.append(own)
    shared = Dataset()
    shared.PlaneOrientationSequence = Sequence([_only(whole, "ImageOrientationPatient")])
    shared.PixelMeasuresSequence = Sequence([_only(whole, "PixelSpacing", "SliceThickness")])
    whole.PixelData = b"".join(one.PixelData for one in slices)
    whole.SOPClassUID = whole.file_meta.MediaStorageSOPClassUID = EnhancedMRImageStorage
    whole.NumberOfFrames = len(frames)
    whole.SharedFunctionalGroupsSequence, whole.PerFrameFunctionalGroupsSequence = Sequence([shared]), Sequence(groups)
    for name in ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "SliceThickness"):
        delattr(whole, name)
    path.parent.mkdir(parents=True, exist_ok=True)
    whole.save_as(path, write_like_original=False)
    return path


def _only(dataset: Dataset, *names: str) -> Dataset:
    part = Dataset()
    for name in names:
        setattr(part, name, getattr(dataset, name))
    return part
