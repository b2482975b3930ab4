"""Studies folders become objects by the rules."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from sam_infer.errors import VolumeError
from sam_infer.imaging.geometry import Geometry
from sam_trainer.labels.cases import (
    MAX_PER_SLICE,
    chosen_slices,
    collect,
    components,
    read_sources,
    slice_axis,
    targets_of,
)
from sam_trainer.synthetic.patients import demo_studies


def test_a_folder_of_studies_gives_its_sources_and_what_stays_out_of_the_headline(small_studies: Path) -> None:
    found = {source.name: (len(source.cases), source.headline) for source in read_sources(small_studies)}
    assert found == {"balls": (1, True), "flat": (2, True), "stardist_nuclei": (2, False)}
    apart = {source.name: source.headline for source in read_sources(small_studies, separate=["balls"])}
    assert apart == {"balls": False, "flat": True, "stardist_nuclei": False}


def test_a_studies_folder_alone_is_one_source(small_studies: Path) -> None:
    assert [source.name for source in read_sources(small_studies / "flat")] == ["flat"]


def test_a_dataset_can_keep_itself_out_of_the_headline(small_studies: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(small_studies / "flat", tmp_path / "flat")
    described = json.loads((copy / "dataset.json").read_text())
    (copy / "dataset.json").write_text(json.dumps({**described, "headline": False}))
    assert not read_sources(copy)[0].headline


def test_one_object_is_one_part_of_at_least_fifty_pixels_with_what_lies_inside(small_studies: Path) -> None:
    case = read_sources(small_studies / "flat")[0].cases[0]
    found = [(t.label, t.number, int(t.mask.sum())) for t in targets_of(case)]
    rows, cols = np.mgrid[:96, :128]
    filled = int((np.hypot(rows - 48, cols - 95) < 22).sum())
    core = int((np.hypot(rows - 48, cols - 95) < 9).sum())
    assert [entry[:2] for entry in found] == [("disk", 0), ("disk", 1), ("ring", 0), ("core", 0)]
    assert [entry[2] for entry in found[2:]] == [filled, core]


def test_a_volume_gives_up_to_three_slices_across_its_coarse_axis(small_studies: Path) -> None:
    case = read_sources(small_studies / "balls")[0].cases[0]
    targets = targets_of(case)
    assert [(t.view.axis, t.view.index) for t in targets] == [(0, 5), (0, 6), (0, 7)]
    assert targets[1].mask.shape == (40, 48)
    assert targets[1].mask.sum() > targets[0].mask.sum()


def test_slices_run_across_k_when_no_axis_is_clearly_coarser() -> None:
    assert slice_axis(Geometry((9, 9, 9), np.diag([1.0, 1.1, 1.0, 1.0]))) == 2
    assert slice_axis(Geometry((9, 9, 9), np.diag([1.0, 3.0, 1.0, 1.0]))) == 1
    assert slice_axis(Geometry((9, 9, 1), np.diag([1.0, 3.0, 1.0, 1.0]))) == 2


def test_chosen_slices_are_the_largest_and_the_quarters_of_the_visible() -> None:
    mask = np.zeros((20, 20, 30), bool)
    for k in range(5, 18):
        mask[:10, : 6 + (k == 16), k] = True
    mask[:3, :3, 25] = True  # 9 pixels: not visible
    assert chosen_slices(mask, 2) == [8, 14, 16]
    assert chosen_slices(np.zeros((4, 4, 4), bool), 2) == []


def test_parts_that_touch_at_a_corner_are_two_and_crowds_are_thinned_over_their_sizes() -> None:
    mask = np.zeros((40, 40), bool)
    mask[:10, :10] = mask[10:20, 10:20] = True
    assert len(components(mask)) == 2
    crowd = np.zeros((500, 500), bool)
    for n in range(30):
        row, col = 80 * (n // 6), 80 * (n % 6)
        crowd[row : row + 10 + n, col : col + 10] = True
    sizes = sorted(int(part.sum()) for part in components(crowd))
    assert len(sizes) == MAX_PER_SLICE
    assert sizes[0] == 100
    assert sizes[-1] >= 380


def test_a_limit_keeps_that_many_objects_per_source(small_studies: Path) -> None:
    sources = read_sources(small_studies)
    counts = {source.name: 0 for source in sources}
    for subject in collect(sources, limit=3):
        counts[subject.case.source] += len(subject.targets)
    assert counts == {"balls": 3, "flat": 3, "stardist_nuclei": 3}
    assert len({target.key for subject in collect(sources) for target in subject.targets}) == 19


def test_values_without_names_are_numbered(small_studies: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(small_studies / "flat", tmp_path / "flat")
    (copy / "dataset.json").unlink()
    labels = {t.label for t in targets_of(read_sources(copy)[0].cases[0])}
    assert labels == {"label 1", "label 2", "label 3"}


def test_a_series_folder_with_its_label_beside_is_a_case(small_studies: Path, tmp_path: Path) -> None:
    (tmp_path / "dicom" / "series").mkdir(parents=True)
    shutil.copy(small_studies / "balls" / "labels" / "final" / "ball.nii.gz", tmp_path / "dicom/series/label.nii.gz")
    (tmp_path / "dicom" / "dataset.json").write_text('{"cases": {"series": {"labels": {"1": "ball"}}}}')
    assert [case.name for case in read_sources(tmp_path / "dicom")[0].cases] == ["series"]
    with pytest.raises(VolumeError, match="no labelled studies"):
        read_sources(tmp_path)  # as one of many it would repeat other sources


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "cannot be read"),
        ('{"cases": []}', "`cases`"),
        ('{"cases": {"flat_0": {"labels": {"one": "disk"}}}}', "must be numbers"),
    ],
)
def test_a_damaged_description_is_refused(small_studies: Path, tmp_path: Path, text: str, message: str) -> None:
    copy = shutil.copytree(small_studies / "flat", tmp_path / "flat")
    (copy / "dataset.json").write_text(text)
    with pytest.raises(VolumeError, match=message):
        read_sources(copy)


def test_missing_and_empty_folders_are_refused(tmp_path: Path) -> None:
    with pytest.raises(VolumeError, match="no studies folder"):
        read_sources(tmp_path / "nowhere")
    with pytest.raises(VolumeError, match="no labelled studies"):
        read_sources(tmp_path)


@pytest.mark.slow
def test_the_demo_studies_can_be_read(tmp_path: Path) -> None:
    subjects = collect(read_sources(demo_studies(tmp_path / "demo")), limit=12)
    assert sum(len(subject.targets) for subject in subjects) == 12
