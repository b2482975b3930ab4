"""What the clients really send, and what they read from the answer."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sam_infer.imaging.image_file import read_mask, write_mask
from sam_infer.imaging.volume import Mask, Volume
from tests.samlabel.conftest import Server, captured, parsed

INSIDE, ALSO_INSIDE, BESIDE = [24, 12, 12], [12, 22, 12], [10, 10, 12]


def test_info_has_what_both_clients_need(server: Server) -> None:
    info = server.client.get("/info/").json()
    assert list(info["models"]) == [
        "sam_auto",
        "sam_2d",
        "sam_3d",
        "sam_multi",
        "sam_class",
        "sam_text",
    ]  # 3D Slicer runs the first
    auto, clicks = info["models"]["sam_auto"], info["models"]["sam_2d"]
    assert (auto["type"], auto["dimension"], auto["labels"]) == ("segmentation", 3, {"object": 1})
    assert (clicks["type"], clicks["dimension"], clicks["labels"]) == ("deepgrow", 2, ["object"])
    assert isinstance(info["labels"], list) and info["labels"] == ["object"]
    assert "config" not in info  # 3D Slicer takes it for an old server
    assert "random" in info["strategies"]  # all that OHIF can ask for
    for model in (auto, clicks):
        assert not {"label", "foreground", "background", "roi", "slice"} & set(model["config"])
        lists = [value for value in model["config"].values() if isinstance(value, list)]
        assert all(isinstance(item, str) for items in lists for item in items)


def test_ohif_gets_the_raw_mask_alone(server: Server, tmp_path: Path) -> None:
    answer = server.send(captured("ohif_sam_2d", "l", foreground=[INSIDE], background=[BESIDE]))
    header, voxels = answer.mask_bytes.split(b"\n\n", 1)
    assert b"encoding: raw" in header and answer.facts == {}
    array = np.frombuffer(voxels, np.uint8).reshape(24, 32, 40).transpose(2, 1, 0)  # what cornerstone makes of it
    assert np.array_equal(array, answer.mask(tmp_path).array)
    assert array[tuple(INSIDE)] == 1 and array[tuple(BESIDE)] == 0


def test_slicer_gets_a_multipart_of_json_and_compressed_mask(server: Server, tmp_path: Path) -> None:
    answer = server.send(captured("slicer_sam_2d", "l", foreground=[INSIDE], slice=12, label="liver"))
    assert answer.file_name.endswith(".nrrd")
    assert b"encoding: gzip" in answer.mask_bytes.split(b"\n\n")[0]
    assert answer.mask(tmp_path).array[tuple(INSIDE)] == 1
    assert answer.facts["label_names"] == {"liver": 1}  # no labels are configured: any segment's name is welcome


def test_the_json_part_tells_how_the_mask_came_about(server: Server) -> None:
    facts = server.click("l", foreground=[ALSO_INSIDE, INSIDE], background=[BESIDE], window="soft_tissue").facts
    assert facts["model"] == "region_growing" and facts["adapter"] == "none" and facts["weights"]
    assert facts["score"] == pytest.approx(0.9) and len(facts["scores"]) == 3 and facts["candidate"] == 0
    assert 0 <= facts["stability"] <= 1 and facts["voxels"] > 100
    assert (facts["plane"], facts["axis"], facts["slice"]) == ("axial", "k", 12)
    assert facts["window"] == {"name": "soft_tissue", "low": -160.0, "high": 240.0}
    assert facts["prompts"] == {
        "foreground": [ALSO_INSIDE, INSIDE],
        "background": [BESIDE],
        "roi": None,
        "prior": False,
        "lassos": 0,
        "painted_voxels": 0,
    }
    assert {"read", "wait", "encode", "decode", "post", "write", "total"} <= set(facts["latencies"])
    assert facts["reader"] == "local" and facts["warnings"] == []
    assert set(facts["crop"]) == {"row", "col", "height", "width"}


@pytest.mark.parametrize("order", [[INSIDE, ALSO_INSIDE], [ALSO_INSIDE, INSIDE], [INSIDE, ALSO_INSIDE, INSIDE]])
def test_the_order_of_clicks_does_not_matter(server: Server, order: list[list[int]]) -> None:
    first = server.click("l", foreground=[INSIDE, ALSO_INSIDE])
    again = server.click("l", foreground=order)
    assert again.mask_bytes == first.mask_bytes
    assert again.facts["prompts"] == first.facts["prompts"]


def test_json_alone(server: Server) -> None:
    reply = server.client.post(
        "/infer/sam_2d?image=l&output=json", data={"params": json.dumps({"foreground": [INSIDE]})}
    )
    assert reply.status_code == 200 and reply.json()["voxels"] > 100


@pytest.mark.parametrize("suffix", [".nii.gz", ".nii", "nrrd", ".mha"])
def test_other_file_types(server: Server, suffix: str, tmp_path: Path) -> None:
    answer = server.click("l", foreground=[INSIDE], result_extension=suffix)
    path = tmp_path / f"mask.{suffix.lstrip('.')}"
    path.write_bytes(answer.mask_bytes)
    assert read_mask(path).array[tuple(INSIDE)] == 1
    assert answer.file_name.endswith(suffix.lstrip("."))


def test_no_temporary_file_stays(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    content = (server.studies / "l.nii.gz").read_bytes()
    assert server.click("l", foreground=[INSIDE]).status == 200
    assert server.click("l").status == 422
    request = captured("slicer_sam_2d", "", foreground=[INSIDE])
    assert server.send(request, files={"file": ("a.nii.gz", content)}).status == 200
    assert list(tmp_path.iterdir()) == []


def test_stale_and_unknown_keys_are_left_alone(server: Server) -> None:
    answer = server.send(captured("ohif_stale_keys", "l", foreground=[INSIDE]))
    assert answer.status == 200


def test_ohif_with_its_background_row_selected(server: Server) -> None:
    answer = server.send(captured("ohif_background_row", "l"))
    assert answer.status == 422
    assert "row" in answer.facts["detail"]


def test_missing_keys(server: Server) -> None:
    assert server.click("l", foreground=[INSIDE]).status == 200
    assert server.click("l", foreground=[INSIDE], background=None, roi=[], slice=None).status == 200
    assert server.click("l", foreground=INSIDE).status == 200  # one point without its list


def test_slicer_on_slice_zero_sends_the_points_of_all_slices(server: Server) -> None:
    points = [[24, 12, 12], [24, 12, 0], [24, 12, 7]]
    answer = server.send(captured("slicer_sam_2d", "l", foreground=points, slice=0))
    assert answer.facts["slice"] == 0
    assert answer.facts["prompts"]["foreground"] == [[24, 12, 0]]
    assert "2 of 3" in answer.facts["warnings"][0]


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        ({"foreground": [[24, 12, 12], [24, 12, 9]]}, 9),  # the last click, before points are put in order
        ({"foreground": [[24, 12, 9], [24, 12, 12]]}, 12),
        ({"foreground": [[24, 12, 9], [24, 12, 12]], "slice": 9}, 9),
        ({"foreground": [[24, 12, 9]], "slice": 12}, 9),
        ({"foreground": [[24, 12, 9]], "slice": None, "roi": [0, 39, 0, 31, 0, 23]}, 9),
        ({"roi": [39, 0, 0, 31, 10, 16]}, 13),
        ({"roi": [39, 0, 0, 31, 16, 10], "slice": 11}, 11),
        ({"roi": [39, 0, 0, 31, 40, 16]}, 19),  # cut to 16..23
        ({"roi": [0, 39, 0, 31, 8, 14], "background": [[1, 1, 9]]}, 9),
    ],
)
def test_the_slice_that_is_meant(server: Server, params: dict[str, Any], expected: int) -> None:
    answer = server.click("l", **params)
    assert answer.status == 200, answer.facts
    assert answer.facts["slice"] == expected


def test_a_roi_that_leaves_the_image_is_cut(server: Server) -> None:
    answer = server.click("l", roi=[-50, 90, 90, -50, 12, 12])
    assert answer.facts["prompts"]["roi"] == [0, 39, 0, 31, 12, 12]
    assert server.click("l", roi=[39, 0, 31, 0, 12, 12]).mask_bytes == answer.mask_bytes


def test_a_roi_left_on_another_slice_does_not_disturb(server: Server) -> None:
    plain = server.click("l", foreground=[INSIDE])
    answer = server.click("l", foreground=[INSIDE], roi=[0, 5, 0, 5, 2, 3])
    assert answer.mask_bytes == plain.mask_bytes
    assert any("roi" in note for note in answer.facts["warnings"])


@pytest.mark.parametrize("value", ["true", "True", True, "1", 1, "on"])
def test_switches_as_text(server: Server, value: Any) -> None:
    answer = server.click("l", foreground=[INSIDE], keep_largest=value, fill_holes="false", candidate="1", zoom="no")
    assert answer.status == 200
    assert answer.facts["candidate"] == 1 and answer.facts["score"] == pytest.approx(0.8)


def test_a_prior_mask_starts_the_answer(server: Server, phantom: tuple[Volume, Mask], tmp_path: Path) -> None:
    prior = write_mask(phantom[1], tmp_path / "prior.nrrd").read_bytes()
    request = captured("slicer_sam_2d", "l", foreground=[], slice=12)
    answer = server.send(request, files={"label": ("/home/user/prior.nrrd", prior)})
    assert answer.status == 200, answer.facts
    found, wanted = answer.mask(tmp_path).array[..., 12] > 0, phantom[1].array[..., 12] > 0
    assert 2 * (found & wanted).sum() / (found.sum() + wanted.sum()) > 0.95
    assert answer.facts["prompts"]["prior"] is True


def test_scribbles_become_points_and_promises(server: Server, phantom: tuple[Volume, Mask], tmp_path: Path) -> None:
    stroke = [[i, 22, 12] for i in range(8, 33)] + [[2, 2, 12]]  # one voxel far outside the L
    away = [[24, 12, 12], [25, 12, 12]]
    answer = server.click("l", foreground_scribble=stroke, background_scribble=away)
    assert answer.status == 200, answer.facts
    mask = answer.mask(tmp_path).array
    assert all(mask[tuple(voxel)] == 1 for voxel in stroke)
    assert all(mask[tuple(voxel)] == 0 for voxel in away)
    assert len(answer.facts["prompts"]["foreground"]) == 6
    assert answer.facts["prompts"]["painted_voxels"] == len(stroke) + len(away)
    turned = server.click("l", foreground_scribble=stroke[::-1], background_scribble=away[::-1])
    assert turned.mask_bytes == answer.mask_bytes


def test_an_uploaded_image(server: Server, tmp_path: Path) -> None:
    content = (server.studies / "l.nii.gz").read_bytes()
    answer = server.send(
        captured("slicer_sam_2d", "", foreground=[INSIDE]), files={"file": ("C:\\scans\\a b.nii.gz", content)}
    )
    assert answer.mask(tmp_path).array[tuple(INSIDE)] == 1


def test_a_session(server: Server, tmp_path: Path) -> None:
    content = (server.studies / "l.nii.gz").read_bytes()
    made = server.client.put("/session/", files={"files": ("/tmp/scan.nii.gz", content)}).json()
    request = captured("slicer_sam_2d", "whatever", foreground=[INSIDE], slice=12)
    request["query"]["session_id"] = made["session_id"]
    answer = server.send(request)
    assert answer.status == 200 and answer.mask(tmp_path).array[tuple(INSIDE)] == 1
    assert server.client.get(f"/session/{made['session_id']}").status_code == 200
    assert server.client.delete(f"/session/{made['session_id']}").status_code == 200


@pytest.mark.parametrize("name", ["ohif_auto", "slicer_auto"])
def test_sam_auto_proposes_values_without_gaps(server: Server, name: str, tmp_path: Path) -> None:
    server.app.infer_task("sam_auto").names = type(server.app.label_names)(("a", "b", "c"))
    try:
        answer = server.send(captured(name, "l"))
    finally:
        server.app.infer_task("sam_auto").names = server.app.label_names
    assert answer.status == 200, answer.facts
    mask = answer.mask(tmp_path).array
    values = sorted(set(np.unique(mask).tolist()) - {0})
    assert values == list(range(1, len(values) + 1)) and len(values) >= 1
    assert set(np.flatnonzero(mask.any(axis=(0, 1))).tolist()) == {12}
    if name == "slicer_auto":
        assert answer.facts["label_names"] == {"a": 1, "b": 2, "c": 3}
        assert answer.facts["slice"] == 12


def test_the_host_saves_a_batch_result_but_not_a_click(server: Server) -> None:
    result = server.app.infer({"model": "sam_auto", "image": "l", "save_label": True, "label_tag": "original"})
    assert result["label"] == "l" and result["file"] is None
    store = server.app.datastore()
    assert Path(store.get_label_uri("l", "original")).is_file()
    assert store.get_label_info("l", "original")["params"]["label_names"] == {"object": 1}
    store.remove_label("l", "original")


def test_next_sample_and_downloads(server: Server) -> None:
    sample = server.client.post("/activelearning/random", json={}).json()
    assert sample == {} or "id" in sample
    image = server.client.get("/datastore/image?image=l")
    assert image.content == (server.studies / "l.nii.gz").read_bytes()
    assert server.client.head("/datastore/image?image=l").status_code == 200
    assert server.client.get("/datastore/image/info?image=l").json()["name"] == "l.nii.gz"


def test_reply_of_the_stock_client_shape(server: Server) -> None:
    """The Slicer client parses headers by hand; the boundary and the file name must be there."""
    reply = server.client.post("/infer/sam_2d?image=l", data={"params": json.dumps({"foreground": [INSIDE]})})
    assert reply.headers["content-type"].startswith("multipart/form-data; boundary=")
    assert b'name="image"; filename="sam_2d.nrrd"' in reply.content
    assert parsed(reply).facts["voxels"] > 0
