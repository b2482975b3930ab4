"""The demo's patients as a browser test needs them: where to click, where that is, what should be shown."""

from __future__ import annotations

import numpy as np
from pydicom import Dataset
from scipy import ndimage

from sam_infer.imaging.volume import Mask, Volume
from sam_trainer.synthetic.patients import ABDOMEN_LABELS
from samlabel.dicom.demo import DemoSeries
from tests.client.stations import Station

LPS = np.array([-1.0, -1.0, 1.0])
ORGAN = "spleen"
VALUE = next(value for value, name in ABDOMEN_LABELS.items() if name == ORGAN)


def middle_of(mask: Mask, value: int = VALUE, axis: int = 2) -> tuple[int, int, int]:
    """The voxel deepest inside the organ, on the slice that shows most of it while it touches nothing else.

    Where two organs touch, one click may rightly mean both: that asks the network, not the geometry.
    """
    organ = mask.array == value
    across = tuple(a for a in range(3) if a != axis)
    around = ndimage.binary_dilation(organ, np.expand_dims(np.ones((5, 5)), axis)) & ~organ
    alone = ~(around & (mask.array > 0)).any(axis=across)
    index = int((organ.sum(axis=across) * alone).argmax())
    depth = ndimage.distance_transform_edt(np.pad(organ.take(index, axis), 1))[1:-1, 1:-1]
    place = [int(v) for v in np.unravel_index(int(depth.argmax()), depth.shape)]
    place.insert(axis, index)
    return place[0], place[1], place[2]


def lps(volume: Volume, index: tuple[float, ...]) -> np.ndarray:
    """Where a voxel is in the patient, as the viewer says it."""
    return volume.geometry.to_world([index])[0] * LPS


def dice(a: np.ndarray, b: np.ndarray) -> float:
    """How well two masks agree."""
    return float(2 * (a & b).sum() / max(a.sum() + b.sum(), 1))


def segs(station: Station, series: DemoSeries) -> list[Dataset]:
    """The segmentations of a series' study that the archive has."""
    client = station.client()
    found = client.search_for_series(series.uid("study"), search_filters={"Modality": "SEG"})
    return [client.retrieve_series(series.uid("study"), entry["0020000E"]["Value"][0])[0] for entry in found]


def check_overlay(shown: np.ndarray, true: np.ndarray, series: DemoSeries) -> None:
    """One slice, at the right place: Dice at least 0.8 there, centroid within two millimetres."""
    axes = [axis for axis in range(3) if len(np.unique(np.nonzero(shown)[axis])) == 1]
    assert len(axes) == 1, "exactly one slice changes"
    index = int(np.nonzero(shown)[axes[0]][0])
    a, b = shown.take(index, axes[0]), true.take(index, axes[0])
    assert dice(a, b) >= 0.8, (series.name, dice(a, b))
    offset = np.subtract(ndimage.center_of_mass(a), ndimage.center_of_mass(b))
    offset_mm = float(np.linalg.norm(offset * np.delete(series.spacing_mm, axes[0])))
    assert offset_mm <= 2, (series.name, offset_mm)
