"""Objects in 3D over HTTP, as clients ask for them."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from sam_infer.imaging.image_file import write_image
from sam_infer.imaging.volume import Mask, Volume
from sam_infer.propagation.engine import ENGINES
from sam_infer.propagation.options import TRACKER
from sam_trainer.synthetic.patients import lesion_photo
from tests.processes import wait_until
from tests.sam_infer.propagation.test_engine import StampEngine
from tests.samlabel.conftest import Answer, Server

INSIDE = [24, 12, 12]


def ask(server: Server, model: str, image: str = "l", **params) -> Answer:
    return server.send(
        {"method": "POST", "path": f"/infer/{model}", "query": {"image": image}, "headers": {}, "params": params}
    )


def overlap(mask: Mask, truth: np.ndarray) -> float:
    found = mask.array > 0
    return 2 * float((found & truth).sum()) / float(found.sum() + truth.sum())


@pytest.mark.parametrize("plane", ["axial", "sagittal", "coronal"])
def test_one_click_in_any_pane_becomes_the_object(server: Server, phantom, tmp_path: Path, plane: str) -> None:
    truth = phantom[1].array > 0
    answer = ask(server, "sam_3d", foreground=[INSIDE], plane=plane, label="bone")
    assert answer.status == 200
    mask = answer.mask(tmp_path)
    assert mask.geometry.same_as(phantom[0].geometry) and set(np.unique(mask.array)) == {0, 1}
    assert overlap(mask, truth) >= 0.8
    centres = [np.argwhere(array).mean(axis=0) for array in (mask.array > 0, truth)]
    assert np.abs(centres[0] - centres[1]).max() <= 2
    facts = answer.facts
    assert facts["label_names"] == {"bone": 1} and facts["plane"] == plane and facts["adapter"] == "none"
    assert facts["voxels"] == int(mask.array.sum()) and facts["prompted_slices"] and facts["slices"]
    assert facts["volume_ml"] == pytest.approx(facts["voxels"] * 0.8 * 1.1 * 3.0 / 1000, rel=1e-3)


def test_what_ohif_reads_is_a_raw_mask(server: Server, phantom) -> None:
    answer = server.send(
        {
            "method": "POST",
            "path": "/infer/sam_3d",
            "query": {"image": "l", "output": "image"},
            "headers": {},
            "params": {"foreground": [INSIDE], "result_compress": False},
        }
    )
    header, voxels = answer.mask_bytes.split(b"\n\n", 1)
    assert b"encoding: raw" in header and len(voxels) == phantom[1].array.size


def test_a_roi_is_a_hard_limit(server: Server, tmp_path: Path) -> None:
    found = ask(server, "sam_3d", foreground=[INSIDE], roi=[39, 0, 31, 0, 15, 10]).mask(tmp_path).array
    filled = np.flatnonzero(found.any(axis=(0, 1)))
    assert (filled[0], filled[-1]) == (10, 15)


def test_points_per_label_become_one_label_map(server: Server, phantom, tmp_path: Path) -> None:
    answer = ask(server, "sam_multi", object=[INSIDE], background=[])
    assert answer.status == 200 and answer.facts["label_names"] == {"object": 1}
    assert overlap(answer.mask(tmp_path), phantom[1].array > 0) >= 0.8
    assert answer.facts["labels"]["object"]["score"] > 0.5


@pytest.mark.parametrize(("model", "field"), [("sam_3d", "foreground"), ("sam_multi", "object")])
def test_another_engine_answers_in_the_same_words(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, model: str, field: str
) -> None:
    """The object that is found on one slice, on all of them."""
    made = StampEngine()
    monkeypatch.setitem(ENGINES, TRACKER, made)
    answer = ask(server, model, **{field: [INSIDE]})
    assert answer.status == 200 and len(made.asked) == 1
    array = answer.mask(tmp_path).array
    assert array.any() and all(np.array_equal(array[..., k], array[..., 0]) for k in range(array.shape[2]))
    facts = answer.facts if model == "sam_3d" else answer.facts["labels"]["object"]
    assert facts["slices"] == [0, array.shape[2] - 1] and facts["prompted_slices"] == [INSIDE[2]]


def test_both_are_listed_for_clients(server: Server) -> None:
    models = server.client.get("/info/").json()["models"]
    assert (models["sam_3d"]["type"], models["sam_3d"]["dimension"]) == ("deepgrow", 3)
    assert (models["sam_multi"]["type"], models["sam_multi"]["labels"]) == ("deepedit", {"object": 1})
    assert isinstance(models["sam_3d"]["labels"], list)


@pytest.fixture
def photo(server: Server) -> Iterator[str]:
    """A photograph among the studies, for one test."""
    image: Volume = lesion_photo(np.random.default_rng(0), 64)[0]
    path = server.studies / "photo3d.png"
    write_image(image, path)
    noticed(server, path.stem, there=True)
    yield path.stem
    path.unlink()
    noticed(server, path.stem, there=False)


def noticed(server: Server, name: str, there: bool) -> None:
    """Wait until the server knows that an image came or went: the folder is watched, a busy machine notices late."""
    wait_until(
        lambda: (name in server.client.get("/datastore/?output=all").text) == there, f"{name} is noticed", every_s=0.2
    )


def test_a_photograph_is_a_volume_of_one_slice(server: Server, photo: str) -> None:
    answer = ask(server, "sam_3d", photo, foreground=[[28, 34, 0]])
    assert answer.status == 200 and answer.facts["slices"] == [0, 0]


@pytest.mark.parametrize(
    ("model", "params", "word"),
    [
        ("sam_3d", {"foreground": [[24, 12, 99]]}, "outside"),
        ("sam_3d", {"foreground": [INSIDE], "roi": [0, 39, 0, 31, 20, 23]}, "outside the roi"),
        ("sam_3d", {}, "nothing to go by"),
        ("sam_3d", {"foreground": [INSIDE], "smooth_mm": "thick"}, "smooth_mm"),
        ("sam_3d", {"background": [[2, 2, 12]]}, "nothing to start from"),
        ("sam_multi", {"foreground": [INSIDE]}, "at least one of object"),
        ("sam_multi", {"object": [[1, 1, 99]]}, "outside"),
    ],
)
def test_refusals_say_what_is_wrong(server: Server, model: str, params: dict, word: str) -> None:
    answer = ask(server, model, **params)
    assert answer.status == 422 and word in json.dumps(answer.facts)


def test_consistency_options_arrive_as_text(server: Server, tmp_path: Path) -> None:
    plain = ask(server, "sam_3d", foreground=[INSIDE]).mask(tmp_path).array
    same = ask(server, "sam_3d", foreground=[INSIDE], smooth_mm="0", keep_largest="false").mask(tmp_path).array
    smooth = ask(server, "sam_3d", foreground=[INSIDE], smooth_mm="6", keep_largest="true").mask(tmp_path).array
    assert np.array_equal(plain, same) and not np.array_equal(plain, smooth)


def test_work_for_a_client_that_has_gone_is_dropped(server: Server) -> None:
    from samlabel.access import disconnect

    gone = threading.Event()
    token = disconnect._gone.set(gone)
    try:
        question = disconnect.client_has_gone()
        assert not question()
        gone.set()
        assert question()
    finally:
        disconnect._gone.reset(token)
    assert not disconnect.client_has_gone()()
