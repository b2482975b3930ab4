"""Masks whose edge moves by millimetres, on flipped, permuted, oblique and anisotropic grids."""

from __future__ import annotations

import numpy as np
import pytest

from sam_infer.imaging.slice_view import SliceView
from sam_infer.masks.reshape import flat_axis, grown, shifted, smoothed, swept
from sam_infer.prompts.direction import Direction
from tests.sam_infer.prompts.grids import GRIDS, WAYS, centre_mm


def ball(name: str, radius_mm: float = 9.0, flat: bool = False) -> np.ndarray:
    """A ball in the middle, or its middle axial slice."""
    geometry = GRIDS[name]
    indices = np.stack(np.meshgrid(*map(np.arange, geometry.shape), indexing="ij"), -1).reshape(-1, 3)
    middle = np.asarray(geometry.shape) // 2
    far = np.linalg.norm(geometry.to_world(indices) - geometry.to_world([middle]), axis=1)
    mask = (far <= radius_mm).reshape(geometry.shape)
    if flat:
        axis = geometry.axis_of_plane("axial")
        np.moveaxis(mask, axis, 0)[np.arange(mask.shape[axis]) != middle[axis]] = False
    return mask


def radius_mm(mask: np.ndarray, name: str) -> float:
    """Of a ball of that volume, or a disk of that area."""
    geometry = GRIDS[name]
    flat = flat_axis(mask)
    sizes = [geometry.spacing_mm[a] for a in range(3) if flat is None or a != flat[0]]
    amount = mask.sum() * np.prod(sizes)
    return float(np.sqrt(amount / np.pi)) if flat else float(np.cbrt(amount * 3 / (4 * np.pi)))


@pytest.mark.parametrize("name", GRIDS)
@pytest.mark.parametrize("flat", [False, True])
def test_the_edge_goes_out_and_in_by_millimetres(name: str, flat: bool) -> None:
    mask = ball(name, flat=flat)
    bigger, smaller = (grown(mask, GRIDS[name].spacing_mm, mm) for mm in (3.0, -3.0))
    assert radius_mm(bigger, name) - radius_mm(mask, name) == pytest.approx(3, abs=0.8)
    assert radius_mm(mask, name) - radius_mm(smaller, name) == pytest.approx(3, abs=0.8)
    assert (mask <= bigger).all() and (smaller <= mask).all() and flat_axis(bigger) == flat_axis(mask)
    assert np.linalg.norm(centre_mm(bigger, GRIDS[name]) - centre_mm(mask, GRIDS[name])) < 0.3


@pytest.mark.parametrize("name", GRIDS)
def test_one_side_alone_goes_that_way(name: str) -> None:
    geometry, mask = GRIDS[name], ball(name)
    view = SliceView.of(geometry, geometry.axis_of_plane("axial"), 5)
    for said, wanted in WAYS.items():
        way = Direction(said).way(geometry, view)
        before = geometry.to_world(np.argwhere(mask)) @ wanted
        for bigger in (True, False):
            after = geometry.to_world(np.argwhere(swept(mask, way, 4.0, bigger))) @ wanted
            spacing = 1 / np.abs(way).max()
            assert abs(after.max() - before.max()) == pytest.approx(4, abs=max(spacing, 1.5))
            assert (after.max() > before.max()) == bigger
            assert after.min() == pytest.approx(before.min(), abs=1.0)


def test_a_mask_at_the_end_of_the_grid_keeps_its_edge_there() -> None:
    mask = np.zeros((10, 10, 6), bool)
    mask[:5, 2:8, :] = True
    smaller = grown(mask, (1, 1, 1), -1)
    assert smaller[0, 4].all() and not smaller[4].any()
    assert smoothed(mask, (1, 1, 1), 1.0)[0, 4].all()
    assert grown(np.zeros_like(mask), (1, 1, 1), 2).sum() == 0


def test_smoothing_takes_spikes_and_keeps_the_rest() -> None:
    mask = ball("plain")
    spiked = mask.copy()
    spiked[30, 25:45, 20] = True
    smooth = smoothed(spiked, (1, 1, 1), 1.5)
    assert not smooth[30, 40, 20] and (smooth ^ mask).sum() < 0.1 * mask.sum()


def test_what_leaves_the_grid_is_lost() -> None:
    mask = np.zeros((4, 4, 4), bool)
    mask[3, 0, 1] = True
    assert (
        shifted(mask, (0, 2, 1))[3, 2, 2] and not shifted(mask, (1, 0, 0)).any() and not shifted(mask, (9, 0, 0)).any()
    )
