"""A scored volume is the same whatever air, repetition or cropping is around the patient."""

import numpy as np
import pytest

from sam_infer.imaging.canonical_view import CanonicalView
from sam_infer.imaging.geometry import Geometry
from sam_infer.imaging.volume import Mask, Volume

pytestmark = pytest.mark.parametrize(("modality", "air", "low"), [("CT", -1000, 20), ("MR", 0, 300)])


def patient(modality: str, air: int, low: int) -> Volume:
    rng = np.random.default_rng(3)
    array = np.full((20, 18, 8), air, np.int16)
    array[4:16, 3:15, 1:7] = low + rng.integers(0, 200, (12, 12, 6))
    return Volume(np.asfortranarray(array), Geometry((20, 18, 8), np.diag([1.0, 1.0, 3.0, 1.0])), modality)


def canonical(volume: Volume, most: int | None = None) -> tuple[CanonicalView, Volume]:
    view = CanonicalView.of(volume, 2, most)
    return view, view.volume(volume)


def test_air_is_cut_off(modality: str, air: int, low: int) -> None:
    volume = patient(modality, air, low)
    padded = Volume(
        np.pad(volume.array, ((9, 2), (0, 7), (3, 1)), constant_values=air),
        Geometry((31, 25, 12), np.diag([1.0, 1.0, 3.0, 1.0])),
        modality,
    )
    _, plain = canonical(volume)
    view, found = canonical(padded)
    np.testing.assert_array_equal(found.array, plain.array)
    assert view.slices == tuple(range(4, 10)) and plain.geometry.shape == (12, 12, 6)


def test_repeated_slices_count_once_and_keep_their_number(modality: str, air: int, low: int) -> None:
    volume = patient(modality, air, low)
    repeated = Volume(np.repeat(volume.array, 3, axis=2), Geometry((20, 18, 24), np.diag([1, 1, 1.0, 1])), modality)
    view, found = canonical(repeated)
    np.testing.assert_array_equal(found.array, canonical(volume)[1].array)
    assert view.slices == (3, 6, 9, 12, 15, 18)


def test_slices_are_spread_and_labels_go_along(modality: str, air: int, low: int) -> None:
    volume = patient(modality, air, low)
    view, found = canonical(volume, 2)
    assert view.slices == (2, 5) and found.geometry.spacing_mm == (1.0, 1.0, 9.0)
    np.testing.assert_allclose(found.geometry.to_world([0, 0, 0])[0], volume.geometry.to_world([4, 3, 2])[0])
    labels = Mask(np.zeros((20, 18, 8), np.uint8), volume.geometry)
    labels.array[5, 6, 5] = 7
    assert view.mask(labels).array[1, 3, 1] == 7
