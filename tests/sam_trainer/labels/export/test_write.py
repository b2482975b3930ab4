"""Exports as the tools that they are for read them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from sam_infer.imaging.image_file import read_image, read_mask, write_image, write_mask
from sam_infer.imaging.volume import Mask, Volume
from sam_trainer.errors import TrainingError
from sam_trainer.labels.cases import Case, read_sources
from sam_trainer.labels.export.datalist import LIST, Datalist
from sam_trainer.labels.export.nnunet import NnUnetRaw
from sam_trainer.labels.export.write import MANIFEST, export
from sam_trainer.labels.round import AcceptedLabel, part_of
from sam_trainer.synthetic.patients import grid, rotation
from tests.small_studies import flat_case

# What the split makes of these names.
PARTS = {"a": "train", "b b": "train", "e": "validation", "h": "held_out"}


def volume_case(folder: Path, name: str, names: dict[int, str], seed: int) -> AcceptedLabel:
    geometry = grid((12, 10, 6), (1.0, 1.5, 4.0), rotation(10, 5, -20))
    rng = np.random.default_rng(seed)
    voxels = rng.integers(-1000, 1000, geometry.shape).astype(np.int16)
    labels = np.zeros(geometry.shape, np.uint8, order="F")
    for value in names:
        labels[value : value + 3, 2:8, 1:4] = value
    image = write_image(Volume(np.asfortranarray(voxels), geometry, "CT"), folder / f"{name}.nrrd")
    label = write_mask(Mask(labels, geometry), folder / "labels" / "final" / f"{name}.nrrd")
    return AcceptedLabel(Case("s", name, image, label, "CT", names, {}))


@pytest.fixture
def accepted(tmp_path: Path) -> list[AcceptedLabel]:
    """Cases whose readers gave the same names other values."""
    tables = [{1: "liver", 2: "spleen"}, {1: "spleen"}, {1: "liver"}, {2: "liver", 5: "aorta"}]
    return [volume_case(tmp_path / "s", n, t, i) for i, (n, t) in enumerate(zip(PARTS, tables, strict=True))]


def found_at(mask: Mask, value: int, entry: AcceptedLabel, name: str) -> bool:
    """Whether a label of an export is the one of its case."""
    own = next(v for v, n in entry.case.labels.items() if n == name)
    original = read_mask(entry.case.label)
    return mask.geometry.same_as(original.geometry) and np.array_equal(mask.array == value, original.array == own)


def test_monai_loads_the_datalist(accepted: list[AcceptedLabel], tmp_path: Path) -> None:
    from monai.data import load_decathlon_datalist  # all of monai, which whoever only collects tests need not wait for

    exported = export(accepted, Datalist(), tmp_path / "out")
    assert exported.labels == {"liver": 1, "spleen": 2, "aorta": 3} and exported.left_out == ()
    sizes = {"training": 2, "validation": 1, "test": 1}
    for key, size in sizes.items():
        entries = load_decathlon_datalist(str(tmp_path / "out" / LIST), is_segmentation=True, data_list_key=key)
        assert len(entries) == size
        for entry in entries:
            case = next(e for e in accepted if e.case.name.replace(" ", "_") == Path(entry["image"]).name.split(".")[0])
            mask, image = read_mask(entry["label"]), read_image(entry["image"])
            np.testing.assert_array_equal(image.array, read_image(case.case.image).array)
            assert all(found_at(mask, exported.labels[name], case, name) for name in case.case.labels.values())
    told = json.loads((tmp_path / "out" / LIST).read_text())
    assert told["labels"] == {"0": "background", "1": "liver", "2": "spleen", "3": "aorta"}
    assert {c["case"]: c["part"] for c in json.loads((tmp_path / "out" / MANIFEST).read_text())["cases"]} == PARTS
    assert {name: part_of(name) for name in PARTS} == PARTS


def test_the_raw_folder_keeps_nnunet_s_rules(accepted: list[AcceptedLabel], tmp_path: Path) -> None:
    out = tmp_path / "Dataset007_Abdomen"
    export(accepted, NnUnetRaw(), out)
    told = json.loads((out / "dataset.json").read_text())
    assert told["channel_names"] == {"0": "CT"} and told["file_ending"] == ".nii.gz"
    assert list(told["labels"].values()) == [0, 1, 2, 3] and told["labels"]["background"] == 0
    teaching = {path.name.removesuffix(".nii.gz") for path in (out / "labelsTr").iterdir()}
    assert teaching == {"a", "b_b", "e"} and told["numTraining"] == 3
    assert {path.name for path in (out / "imagesTr").iterdir()} == {f"{name}_0000.nii.gz" for name in teaching}
    assert {path.name for path in (out / "imagesTs").iterdir()} == {"h_0000.nii.gz"}
    (fold,) = json.loads((out / "splits_final.json").read_text())
    assert fold == {"train": ["a", "b_b"], "val": ["e"]}
    for name in teaching:
        image, mask = (
            read_image(out / "imagesTr" / f"{name}_0000.nii.gz"),
            read_mask(out / "labelsTr" / f"{name}.nii.gz"),
        )
        mask.require_same_grid(image.geometry)
        assert set(np.unique(mask.array)) <= set(told["labels"].values())


def test_pictures_become_png(tmp_path: Path) -> None:
    for n, name in enumerate(("a", "e")):
        flat_case(tmp_path / "s", name, n)
    cases = [AcceptedLabel(case) for case in read_sources(tmp_path / "s")[0].cases]
    exported = export(cases, NnUnetRaw(), tmp_path / "out")
    assert exported.labels == {"label 1": 1, "label 2": 2, "label 3": 3}
    assert json.loads((tmp_path / "out" / "dataset.json").read_text())["file_ending"] == ".png"
    mask = read_mask(tmp_path / "out" / "labelsTr" / "a.png")
    np.testing.assert_array_equal(mask.array, read_mask(cases[0].case.label).array)


def mixed(accepted: list[AcceptedLabel], folder: Path) -> list[AcceptedLabel]:
    flat_case(folder / "flat", "c", 0)
    return [*accepted, AcceptedLabel(read_sources(folder / "flat")[0].cases[0])]


def nothing(accepted: list[AcceptedLabel], folder: Path) -> list[AcceptedLabel]:
    return []


def only_held_out(accepted: list[AcceptedLabel], folder: Path) -> list[AcceptedLabel]:
    return accepted[3:]


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (mixed, "is a grey picture, others are a grey volume"),
        (nothing, "no accepted label to export"),
        (only_held_out, "all cases are held out"),
    ],
)
def test_what_cannot_be_exported_leaves_nothing_behind(
    accepted: list[AcceptedLabel], tmp_path: Path, change: Callable[..., list[AcceptedLabel]], sentence: str
) -> None:
    with pytest.raises(TrainingError, match=sentence):
        export(change(accepted, tmp_path), NnUnetRaw(), tmp_path / "out" / "x")
    assert not (tmp_path / "out").exists() or not any((tmp_path / "out").iterdir())


def test_an_unusable_label_is_left_out_and_an_old_folder_left_alone(
    accepted: list[AcceptedLabel], tmp_path: Path
) -> None:
    write_mask(Mask.empty(read_mask(accepted[1].case.label).geometry), accepted[1].case.label)
    exported = export(accepted, Datalist(), tmp_path / "out")
    assert [taken.case for taken in exported.cases] == ["a", "e", "h"] and "is empty" in exported.left_out[0]
    before = sorted(path.name for path in (tmp_path / "out").iterdir())
    with pytest.raises(TrainingError, match="is there already"):
        export(accepted, Datalist(), tmp_path / "out")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == before
