import json
from itertools import permutations, product
from pathlib import Path

import numpy as np
import pytest

from sam_infer.imaging.image_file import read_image, read_mask
from sam_infer.imaging.volume import Mask, Volume
from sam_trainer.synthetic.patients import (
    ABDOMEN_LABELS,
    abdomen,
    demo_studies,
    grid,
    render,
    reoriented,
    rotation,
    tube,
)


def test_the_same_patient_on_two_grids_has_the_same_organs() -> None:
    solids = abdomen(np.random.default_rng(1))
    axial = grid((80, 64, 30), (4, 4, 8))
    turned = grid((80, 64, 60), (4, 4, 4), rotation(10, 5, -8))
    sizes = []
    for geometry in (axial, turned):
        _, mask = render(solids, geometry, "CT", np.random.default_rng(2))
        voxel = np.prod(geometry.spacing_mm)
        sizes.append([(mask.array == label).sum() * voxel for label in (1, 2, 3, 4)])
        centre = geometry.to_world(np.argwhere(mask.array == 1)).mean(axis=0)
        assert np.abs(centre - [48, 18, 15]).max() < 12
    assert np.allclose(sizes[0], sizes[1], rtol=0.06)


def test_seeds_repeat_and_differ() -> None:
    one, again, other = (
        render(abdomen(np.random.default_rng(s)), grid((20, 20, 8), (12, 12, 20)), "MR", np.random.default_rng(s))[0]
        for s in (3, 3, 4)
    )
    assert one.digest == again.digest != other.digest


def test_no_reorientation_of_the_l_equals_another(l_phantom: tuple[Volume, Mask]) -> None:
    _, mask = l_phantom
    seen = set()
    for order, flips in product(permutations(range(3)), product((False, True), repeat=3)):
        turned, _ = reoriented(mask.array, mask.geometry, order, flips)
        seen.add((turned.shape, turned.tobytes()))
    assert len(seen) == 48


def test_tube_distance_by_hand() -> None:
    distance = tube([(0, 0, 0), (10, 0, 0)], [2, 4])
    points = np.array([[0.0, 2, 0], [5, 0, 0], [10, 6, 0], [-3, 0, 0]])
    assert distance(points).tolist() == [0, -3, 2, 1]


@pytest.mark.slow
def test_demo_studies_are_complete_and_made_once(tmp_path: Path) -> None:
    folder = demo_studies(tmp_path / "demo")
    described = json.loads((folder / "dataset.json").read_text())["cases"]
    for name, facts in described.items():
        (path,) = (p for p in folder.iterdir() if p.name.startswith(name + "."))
        volume, mask = read_image(path), read_mask(folder / "labels" / "final" / path.name)
        assert volume.geometry.same_as(mask.geometry)
        assert set(np.unique(mask.array)) == {0, *map(int, facts["labels"])}
    assert set(described["demo_ct_1"]["labels"].values()) == set(ABDOMEN_LABELS.values())
    before = {p: p.stat().st_mtime_ns for p in folder.rglob("*")}
    demo_studies(folder)
    assert {p: p.stat().st_mtime_ns for p in folder.rglob("*")} == before
