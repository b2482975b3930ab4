"""Images in time over HTTP: a phase is asked about, an object followed through all, labels saved phase by phase."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sam_infer.imaging.cine import Cine, CineMask
from sam_infer.imaging.image_file import read_cine_mask, write_cine, write_cine_mask, write_mask
from sam_infer.imaging.volume import Mask, Volume
from sam_trainer.synthetic.patients import grid
from tests.samlabel.conftest import Answer, Server

GRID = grid((40, 32, 4), (1.0, 1.0, 4.0))
COUNT = 3


def truth(phase: int) -> np.ndarray:
    """A block that moves: what is there in one phase is not where it was in the first."""
    array = np.zeros(GRID.shape, bool)
    array[6 + 4 * phase : 18 + 4 * phase, 8:20, 1:3] = True
    return array


@pytest.fixture(scope="module")
def beating(server: Server) -> Iterator[Server]:
    """The server with a cine of three phases."""
    volumes = [Volume(np.where(truth(n), 300, 30).astype(np.int16), GRID, "MR") for n in range(COUNT)]
    write_cine(Cine.of(volumes, 0.05), server.studies / "cine.nii.gz")
    store = server.app.datastore()
    store.refresh()
    yield server
    store.remove_image("cine")


def ask(server: Server, model: str, image: str = "cine", **params: Any) -> Answer:
    return server.send(
        {"method": "POST", "path": f"/infer/{model}", "query": {"image": image}, "headers": {}, "params": params}
    )


def save(server: Server, file: Path, image: str = "cine", **params: Any) -> Any:
    with file.open("rb") as label:
        return server.client.put(
            f"/datastore/label?image={image}&tag=draft",
            files={"label": (file.name, label)},
            data={"params": json.dumps(params)},
        )


def stored(server: Server, folder: Path) -> CineMask:
    """What the label route gives back."""
    reply = server.client.get("/datastore/label?label=cine&tag=draft")
    assert reply.status_code == 200
    path = folder / "back.nii.gz"
    path.write_bytes(reply.content)
    return read_cine_mask(path, GRID, COUNT)


def one(phase: int, folder: Path) -> Path:
    return write_mask(Mask(np.asfortranarray(truth(phase).astype(np.uint8)), GRID), folder / f"{phase}.nrrd")


@pytest.mark.parametrize("model", ["sam_2d", "sam_3d"])
def test_a_click_is_about_the_phase_that_it_names(beating: Server, tmp_path: Path, model: str) -> None:
    for phase in (None, 0, 2, "2"):
        named = int(phase or 0)
        answer = ask(
            beating, model, foreground=[[10 + 4 * named, 14, 2]], **({} if phase is None else {"phase": phase})
        )
        assert answer.status == 200
        assert (answer.facts["phase"], answer.facts["phases"]) == (named, COUNT)
        assert answer.facts["phase_s"] == pytest.approx(0.05)
        np.testing.assert_array_equal(answer.mask(tmp_path).array[:, :, 2] > 0, truth(named)[:, :, 2])
        told = [note for note in answer.facts["warnings"] if "3 phases in time" in note]
        assert len(told) == (phase is None)


@pytest.mark.parametrize(("along", "slices"), [("time", [2]), ("both", [1, 2])])
def test_an_object_is_answered_in_all_phases(beating: Server, tmp_path: Path, along: str, slices: list[int]) -> None:
    for suffix in (".nrrd", ".nii.gz", ".nii"):
        answer = ask(beating, "sam_3d", foreground=[[14, 14, 2]], phase=1, along=along, result_extension=suffix)
        assert answer.status == 200 and answer.file_name.endswith(suffix)
        path = tmp_path / f"reply{suffix}"
        path.write_bytes(answer.mask_bytes)
        found = read_cine_mask(path, GRID, COUNT)
        assert found.step_s == pytest.approx(0.05) and len(found.phases) == COUNT
        for phase, mask in enumerate(found.phases):
            assert set(np.flatnonzero(mask.array.any(axis=(0, 1)))) == set(slices)
            np.testing.assert_array_equal(mask.array[:, :, slices] > 0, truth(phase)[:, :, slices])
        facts = answer.facts
        assert (facts["along"], facts["phase"], facts["phases"]) == (along, 1, COUNT)
        assert facts["voxels_by_phase"] == [144 * len(slices)] * COUNT and len(facts["score_by_phase"]) == COUNT


@pytest.mark.parametrize(
    ("image", "params", "field", "sentence"),
    [
        ("cine", {"phase": 3}, "phase", "phase must be from 0 to 2, got 3"),
        ("cine", {"phase": -1}, "phase", "whole number from 0"),
        ("cine", {"phase": "late"}, "phase", "whole number from 0"),
        ("cine", {"along": "sideways"}, "along", "along must be one of space, time, both"),
        ("l", {"phase": 0}, "phase", "no phases in time"),
        ("l", {"along": "time"}, "along", "this one has none"),
    ],
)
def test_what_means_no_phase_is_refused(
    beating: Server, image: str, params: dict[str, Any], field: str, sentence: str
) -> None:
    answer = ask(beating, "sam_3d", image, foreground=[[24, 12, 2]], **params)
    assert answer.status == 422 and sentence in answer.facts["detail"] and answer.facts["field"] == field


def test_only_sam_3d_follows_through_time(beating: Server) -> None:
    answer = ask(beating, "sam_2d", foreground=[[10, 14, 2]], along="time")
    assert answer.status == 422 and "sam_3d" in answer.facts["detail"]


def test_labels_are_saved_phase_by_phase_and_read_back(beating: Server, tmp_path: Path) -> None:
    for phase, marked in ((2, [2]), (None, [0, 2]), (1, [0, 1, 2])):
        params = {} if phase is None else {"phase": phase}
        assert save(beating, one(phase or 0, tmp_path), **params).status_code == 200
        back = stored(beating, tmp_path)
        assert list(back.marked) == marked and back.step_s == pytest.approx(0.05)
        for n in marked:
            np.testing.assert_array_equal(back.phases[n].array > 0, truth(n))
        info = beating.client.get("/datastore/label/info?label=cine&tag=draft").json()
        assert info["phases"] == COUNT and info["labelled_phases"] == marked
    label = CineMask.empty(GRID, COUNT, 0.05)
    label.phases[1].array[5, 5, 1] = 4
    assert save(beating, write_cine_mask(label, tmp_path / "all.nrrd")).status_code == 200
    back = stored(beating, tmp_path)
    assert back.marked == (1,) and back.values() == [4], "a label of all phases replaces all of them"


def test_labels_that_fit_no_phase_are_refused(beating: Server, tmp_path: Path) -> None:
    flat, four = one(0, tmp_path), write_cine_mask(CineMask.empty(GRID, 4), tmp_path / "four.nii.gz")
    whole = write_cine_mask(CineMask.empty(GRID, COUNT), tmp_path / "whole.nii.gz")
    for file, image, params, sentence in (
        (flat, "cine", {"phase": 3}, "phase must be from 0 to 2"),
        (flat, "cine", {"phase": "late"}, "whole number from 0"),
        (four, "cine", {}, "has 4 phases; the image has 3"),
        (whole, "cine", {"phase": 1}, "holds all phases"),
        (beating.studies / "labels" / "final" / "l.nii.gz", "l", {"phase": 0}, "no phases in time"),
        (whole, "l", {}, "another grid"),
    ):
        reply = save(beating, file, image, **params)
        assert reply.status_code == 422 and sentence in reply.json()["detail"]


def test_what_a_batch_finds_in_all_phases_is_stored_whole(beating: Server, tmp_path: Path) -> None:
    found = beating.app.infer(
        {
            "model": "sam_3d",
            "image": "cine",
            "foreground": [[14, 14, 2]],
            "phase": 1,
            "along": "both",
            "save_label": True,
            "label_tag": "draft",
        }
    )
    assert found["params"]["along"] == "both" and stored(beating, tmp_path).marked == (0, 1, 2)


def test_an_accepted_phase_reaches_the_ledger_and_teaches_with_its_own_image(beating: Server, tmp_path: Path) -> None:
    from sam_trainer.labels.cases import Case, labelled_image

    with one(2, tmp_path).open("rb") as label:
        reply = beating.client.put(
            "/datastore/label?image=cine&tag=final",
            files={"label": ("2.nrrd", label)},
            data={"params": json.dumps({"phase": 2, "label_info": [{"name": "heart"}]})},
        )
    assert reply.status_code == 200
    files = (beating.studies / "cine.nii.gz", beating.studies / "labels" / "final" / "cine.nii.gz")
    volume, mask = labelled_image(Case("studies", "cine", *files, "MR", {1: "heart"}, {}))
    assert volume.phase is not None and volume.phase.index == 2
    np.testing.assert_array_equal(volume.array > 200, mask.array > 0)
    assert beating.client.get("/labels/cine").json()["events"]
