"""The same physical click gives the same physical mask, however the image is stored and whoever asks."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import permutations, product
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sam_infer.imaging.geometry import Geometry
from sam_infer.imaging.image_file import read_image, write_image
from sam_infer.imaging.volume import Mask, Volume
from sam_trainer.synthetic.patients import reoriented
from tests.samlabel.conftest import Server, captured

# A voxel of the L, off every axis of the grid, and one of the tissue beside it.
CLICK, BESIDE = (24, 12, 12), (10, 10, 12)

ORDERS = list(permutations(range(3)))
FLIPS = list(product((False, True), repeat=3))
ALL = list(product(ORDERS, FLIPS))
KEEP_SLICES = [(order, flips) for order, flips in ALL if order[2] == 2]


@pytest.fixture(scope="module", autouse=True)
def cleared(server: Server) -> Iterator[None]:
    """The turned copies are nobody else's next case."""
    yield
    for name in [name for name in server.app.datastore().list_images() if name.startswith("l_")]:
        server.app.datastore().remove_image(name)


def stored(server: Server, phantom: tuple[Volume, Mask], order: tuple[int, ...], flips: tuple[bool, ...]) -> str:
    """The phantom with turned axes, in the studies; its id."""
    name = "l_" + "".join(f"{a}{'-' if f else '+'}" for a, f in zip(order, flips, strict=True))
    path = server.studies / f"{name}.nii.gz"
    if not path.exists():
        array, geometry = reoriented(phantom[0].array, phantom[0].geometry, order, flips)
        write_image(Volume(array, geometry, "CT"), path)
        server.app.datastore().refresh()
    return name


def voxel(phantom: tuple[Volume, Mask], geometry: Geometry, index: tuple[int, int, int]) -> list[int]:
    """A voxel of the phantom as a voxel of another grid: the same place in the patient."""
    return [round(v) for v in geometry.to_index(phantom[0].geometry.to_world([index]))[0]]


def world_dice(a: Mask, b: Mask) -> float:
    """Overlap in the patient: voxels of `a` looked up in `b`."""
    inside = np.argwhere(a.array)
    there = np.rint(b.geometry.to_index(a.geometry.to_world(inside))).astype(int)
    common = int(b.array[tuple(there.T)].astype(bool).sum())
    return 2 * common / (len(inside) + int(b.array.astype(bool).sum()))


def check_reply(server: Server, answer: Any, image: str, tmp_path: Path) -> Mask:
    grid = read_image(server.studies / f"{image}.nii.gz").geometry
    assert answer.status == 200, answer.facts
    header = answer.mask_bytes.split(b"\n\n")[0].decode()
    assert "type: unsigned char" in header and f"sizes: {' '.join(map(str, grid.shape))}" in header
    mask = answer.mask(tmp_path)
    assert mask.geometry.same_as(grid)
    assert set(np.unique(mask.array)) == {0, 1}
    return mask


@pytest.fixture(scope="module")
def reference(server: Server, phantom: tuple[Volume, Mask], tmp_path_factory: pytest.TempPathFactory) -> Mask:
    answer = server.click("l", foreground=[list(CLICK)], background=[list(BESIDE)])
    mask = check_reply(server, answer, "l", tmp_path_factory.mktemp("reference"))
    truth = phantom[1].array[..., CLICK[2]] > 0
    found = mask.array[..., CLICK[2]] > 0
    assert 2 * (truth & found).sum() / (truth.sum() + found.sum()) > 0.9
    assert mask.array.sum() == found.sum()  # nothing on other slices
    return mask


@pytest.mark.parametrize(("order", "flips"), KEEP_SLICES)
def test_ohif_clicks_in_every_orientation_that_keeps_the_slice_axis(
    server: Server, phantom: Any, reference: Mask, order: Any, flips: Any, tmp_path: Path
) -> None:
    image = stored(server, phantom, order, flips)
    geometry = read_image(server.studies / f"{image}.nii.gz").geometry
    request = captured(
        "ohif_sam_2d",
        image,
        foreground=[voxel(phantom, geometry, CLICK)],
        background=[voxel(phantom, geometry, BESIDE)],
    )
    mask = check_reply(server, server.send(request), image, tmp_path)
    assert world_dice(mask, reference) >= 0.98


@pytest.mark.parametrize(("order", "flips"), KEEP_SLICES)
def test_slicer_clicks_in_every_orientation_that_keeps_the_slice_axis(
    server: Server, phantom: Any, reference: Mask, order: Any, flips: Any, tmp_path: Path
) -> None:
    image = stored(server, phantom, order, flips)
    geometry = read_image(server.studies / f"{image}.nii.gz").geometry
    click = voxel(phantom, geometry, CLICK)
    request = captured(
        "slicer_sam_2d", image, foreground=[click], background=[voxel(phantom, geometry, BESIDE)], slice=click[2]
    )
    mask = check_reply(server, server.send(request), image, tmp_path)
    assert world_dice(mask, reference) >= 0.98


@pytest.mark.parametrize(("order", "flips"), ALL)
def test_a_named_plane_is_the_same_plane_in_all_48_orientations(
    server: Server, phantom: Any, reference: Mask, order: Any, flips: Any, tmp_path: Path
) -> None:
    image = stored(server, phantom, order, flips)
    geometry = read_image(server.studies / f"{image}.nii.gz").geometry
    answer = server.click(
        image,
        plane="axial",
        foreground=[voxel(phantom, geometry, CLICK)],
        background=[voxel(phantom, geometry, BESIDE)],
    )
    mask = check_reply(server, answer, image, tmp_path)
    assert world_dice(mask, reference) >= 0.98
    assert answer.facts["plane"] == "axial"
    assert answer.facts["axis"] == "ijk"[order.index(2)]


@pytest.mark.parametrize("plane", ["coronal", "sagittal"])
def test_other_planes_cut_the_same_patient(server: Server, phantom: Any, plane: str, tmp_path: Path) -> None:
    masks = []
    for order, flips in (((0, 1, 2), (False, False, False)), ((2, 0, 1), (True, False, True))):
        image = stored(server, phantom, order, flips)
        geometry = read_image(server.studies / f"{image}.nii.gz").geometry
        answer = server.click(image, plane=plane, foreground=[voxel(phantom, geometry, CLICK)])
        masks.append(check_reply(server, answer, image, tmp_path))
        assert answer.facts["plane"] == plane
    assert masks[0].array.sum() > 20
    assert world_dice(*masks) >= 0.98


@pytest.mark.parametrize("flips", [(False, False, False), (True, True, True)])
def test_a_box_with_unsorted_corners_and_a_slice_in_millimetres(
    server: Server, phantom: Any, flips: tuple[bool, ...], tmp_path: Path
) -> None:
    """3D Slicer without a click: corners run against the axes, `slice` is an offset, the k range reaches outside."""
    image = stored(server, phantom, (0, 1, 2), flips)
    geometry = read_image(server.studies / f"{image}.nii.gz").geometry
    low, high = voxel(phantom, geometry, (5, 3, 12)), voxel(phantom, geometry, (36, 30, 12))
    k = low[2]
    roi = [high[0], low[0], low[1], high[1], k + 2, k - 2]
    answer = server.send(captured("slicer_box_only", image, roi=roi))
    mask = check_reply(server, answer, image, tmp_path)
    truth, _ = reoriented(phantom[1].array, phantom[1].geometry, (0, 1, 2), flips)
    found, wanted = mask.array[..., k] > 0, truth[..., k] > 0
    assert answer.facts["slice"] == k
    assert 2 * (found & wanted).sum() / (found.sum() + wanted.sum()) > 0.9
    assert any("slice 417" in note for note in answer.facts["warnings"])
