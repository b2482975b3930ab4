"""Whatever is wrong with a request: a 4xx whose sentence names the field, nothing written, the server still well."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sam_infer.imaging.geometry import Geometry
from sam_infer.imaging.image_file import write_image, write_mask
from sam_infer.imaging.itk_image import LPS_TO_RAS
from sam_infer.imaging.volume import Mask, Volume
from tests.samlabel.conftest import Server, captured

GOOD = [24, 12, 12]


def snapshot(*folders: Path) -> dict[str, tuple[int, int]]:
    """Every file under the folders, with size and time; the embedding cache may grow."""
    files = [path for folder in folders for path in folder.rglob("*") if path.is_file()]
    return {str(p): (p.stat().st_size, p.stat().st_mtime_ns) for p in files if "embeddings" not in p.parts}


@pytest.fixture
def unchanged(server: Server) -> Iterator[None]:
    """Nothing appears, changes or vanishes around the studies, and the server answers afterwards."""
    before = snapshot(server.studies.parent)
    yield
    assert snapshot(server.studies.parent) == before
    assert server.client.get("/info/").status_code == 200


def refused(status: int, body: dict[str, Any], field: str) -> None:
    assert 400 <= status < 500, body
    sentence = body["detail"]
    assert isinstance(sentence, str) and len(sentence) > 15
    assert field in sentence or field == body["field"], body
    assert "Traceback" not in sentence and "/tmp" not in sentence


PARAMS: list[tuple[str, dict[str, Any], str]] = [
    ("nothing said", {}, "foreground"),
    ("empty lists", {"foreground": [], "background": []}, "foreground"),
    ("nulls", {"foreground": None, "background": None, "roi": None, "slice": None}, "foreground"),
    ("a slice and nothing else", {"slice": 12}, "foreground"),
    ("only background", {"background": [GOOD]}, "foreground"),
    ("the same list twice", {"foreground": [GOOD], "background": [GOOD]}, "background"),
    ("one point on both sides", {"foreground": [GOOD, [25, 12, 12]], "background": [GOOD]}, "foreground"),
    ("a point outside", {"foreground": [[40, 12, 12]]}, "foreground"),
    ("a negative index", {"foreground": [[-1, 12, 12]]}, "foreground"),
    ("a background point outside", {"foreground": [GOOD], "background": [[0, 32, 12]]}, "background"),
    ("NaN", {"foreground": [[float("nan"), 12, 12]]}, "foreground"),
    ("infinity", {"foreground": [[float("inf"), 12, 12]]}, "foreground"),
    ("two numbers", {"foreground": [[24, 12]]}, "foreground"),
    ("four numbers", {"foreground": [[24, 12, 12, 1]]}, "foreground"),
    ("ragged points", {"foreground": [[24, 12, 12], [1, 2]]}, "foreground"),
    ("text for numbers", {"foreground": [["24", "12", "12"]]}, "foreground"),
    ("switches for numbers", {"foreground": [[True, False, True]]}, "foreground"),
    ("a switch among numbers", {"foreground": [[True, 1, 2]]}, "foreground"),
    ("a switch in a background", {"foreground": [GOOD], "background": [[1, False, 2]]}, "background"),
    ("a switch in a roi", {"roi": [0, 5, 0, 5, True, 5]}, "roi"),
    ("a switch in a scribble", {"foreground_scribble": [[True, 1, 2]]}, "foreground_scribble"),
    ("a switch in a lasso", {"foreground_lasso": [[[True, 1, 2], [5, 1, 2], [5, 9, 2]]]}, "foreground_lasso"),
    ("a slice before the first", {"foreground": [GOOD], "slice": -1}, "slice"),
    ("a slice far behind the last", {"foreground": [GOOD], "slice": 400}, "slice"),
    ("a device that is not there", {"foreground": [GOOD], "device": "cuda:9"}, "device"),
    ("a device that is a list", {"foreground": [GOOD], "device": ["cuda"]}, "device"),
    ("a text for the list", {"foreground": "24,12,12"}, "foreground"),
    ("an object for the list", {"foreground": {"x": 1}}, "foreground"),
    ("ten thousand points", {"foreground": [[i % 40, (i // 40) % 32, i // 1280] for i in range(10_000)]}, "foreground"),
    ("a roi of four numbers", {"roi": [1, 2, 3, 4]}, "roi"),
    ("a roi of words", {"roi": ["a", "b", "c", "d", "e", "f"]}, "roi"),
    ("a roi with NaN", {"roi": [0, 5, 0, 5, 0, float("nan")]}, "roi"),
    ("a roi beside the image", {"roi": [100, 120, 0, 5, 0, 5]}, "roi"),
    ("a slice as text", {"foreground": [GOOD], "slice": "twelve"}, "slice"),
    ("a slice that is no number", {"foreground": [GOOD], "slice": float("nan")}, "slice"),
    ("an unknown plane", {"foreground": [GOOD], "plane": "oblique"}, "plane"),
    ("a plane that is a list", {"foreground": [GOOD], "plane": ["axial"]}, "plane"),
    ("an unknown window", {"foreground": [GOOD], "window": "liver"}, "window"),
    ("a window that is a list", {"foreground": [GOOD], "window": [1, 2]}, "window"),
    ("a fourth candidate", {"foreground": [GOOD], "candidate": 3}, "candidate"),
    ("a switch that is none", {"foreground": [GOOD], "keep_largest": "maybe"}, "keep_largest"),
    ("a label that is a list", {"foreground": [GOOD], "label": ["object"]}, "label"),
    ("an unknown file type", {"foreground": [GOOD], "result_extension": ".exe"}, "result_extension"),
    ("a path as file type", {"foreground": [GOOD], "result_extension": "/../../x.nrrd"}, "result_extension"),
    ("another image by parameter", {"foreground": [GOOD], "image": "/etc/passwd"}, "image"),
    ("another model by parameter", {"foreground": [GOOD], "model": "sam_auto"}, "model"),
    ("a session by parameter", {"foreground": [GOOD], "session": {"image": "/etc/passwd"}}, "session"),
    ("a prior by name", {"foreground": [GOOD], "prior": "/etc/passwd"}, "prior"),
    ("a label to be written", {"foreground": [GOOD], "save_label": True}, "save_label"),
    ("a scribble outside", {"foreground_scribble": [[24, 12, 99]]}, "foreground_scribble"),
    ("a scribble of words", {"foreground_scribble": [["a", "b", "c"]]}, "foreground_scribble"),
]


@pytest.mark.parametrize(("params", "field"), [c[1:] for c in PARAMS], ids=[c[0] for c in PARAMS])
def test_parameters(server: Server, unchanged: None, params: dict[str, Any], field: str) -> None:
    answer = server.send(
        {"method": "POST", "path": "/infer/sam_2d", "query": {"image": "l"}, "headers": {}, "params": params}
    )
    refused(answer.status, answer.facts, field)


@pytest.mark.parametrize(
    ("image", "status"),
    [
        ("nobody", 404),
        ("../l", 422),
        ("/etc/passwd", 422),
        ("l/../../l", 422),
        ("l\0", 422),
        ("", 422),
        (".", 422),
        ("l\u202egpj", 422),
        ("x" * 300, 422),
        ("..\\l", 422),
        ("~root", 422),
    ],
)
def test_image_ids(server: Server, unchanged: None, image: str, status: int) -> None:
    answer = server.send(captured("ohif_sam_2d", image, foreground=[GOOD]))
    assert answer.status == status
    refused(answer.status, answer.facts, "image")


def test_a_file_in_the_working_directory_is_not_an_image(
    server: Server, unchanged: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "here").write_bytes((server.studies / "l.nii.gz").read_bytes())
    monkeypatch.chdir(tmp_path)
    assert server.click("here", foreground=[GOOD]).status == 404


def test_wrong_model(server: Server, unchanged: None) -> None:
    request = captured("ohif_sam_2d", "l", foreground=[GOOD])
    answer = server.send({**request, "path": "/infer/deepgrow"})
    assert answer.status == 404
    refused(answer.status, answer.facts, "model")
    assert "sam_2d" in answer.facts["detail"]


@pytest.mark.parametrize("text", ["{", "[1, 2]", '"text"', "{'a': 1}", "[" * 5000])
def test_params_that_are_no_json_object(server: Server, unchanged: None, text: str) -> None:
    reply = server.client.post("/infer/sam_2d?image=l", data={"params": text})
    refused(reply.status_code, reply.json(), "params")


@pytest.mark.parametrize("session", ["../sessions", "not-a-uuid", "7a0bf50d-8eb2-4ab0-9295-0b817519ff5d"])
def test_sessions(server: Server, unchanged: None, session: str) -> None:
    request = captured("slicer_sam_2d", "l", foreground=[GOOD])
    request["query"]["session_id"] = session
    answer = server.send(request)
    refused(answer.status, answer.facts, "session")


@pytest.mark.parametrize("output", ["dicom_seg", "everything"])
def test_output(server: Server, unchanged: None, output: str) -> None:
    reply = server.client.post(f"/infer/sam_2d?image=l&output={output}", data={"params": "{}"})
    refused(reply.status_code, reply.json(), "output")


def five_dimensional() -> bytes:
    header = np.zeros(348, np.uint8)
    header[:4] = np.frombuffer(np.int32(348).tobytes(), np.uint8)
    header[40:56] = np.frombuffer(np.array([5, 4, 4, 4, 3, 2, 1, 1], np.int16).tobytes(), np.uint8)
    header[70:74] = np.frombuffer(np.array([2, 8], np.int16).tobytes(), np.uint8)
    header[76:108] = np.frombuffer(np.ones(8, np.float32).tobytes(), np.uint8)
    header[108:112] = np.frombuffer(np.float32(352).tobytes(), np.uint8)
    header[344:348] = np.frombuffer(b"n+1\0", np.uint8)
    return header.tobytes() + b"\0\0\0\0" + bytes(4 * 4 * 4 * 3 * 2)


def broken_files(server: Server) -> dict[str, tuple[str, bytes]]:
    whole = (server.studies / "l.nii.gz").read_bytes()
    plain = gzip.decompress(whole)
    return {
        "zero bytes": ("a.nii.gz", b""),
        "truncated": ("a.nii", plain[: len(plain) // 2]),
        "truncated gzip": ("a.nii.gz", whole[: len(whole) // 2]),
        "five dimensions": ("a.nii", five_dimensional()),
        "a text": ("a.nrrd", b"hello"),
        "a detached header": (
            "a.nrrd",
            b"NRRD0004\ntype: uint8\ndimension: 3\nsizes: 2 2 2\nencoding: raw\ndata file: /etc/passwd\n\n",
        ),
        "a script": ("evil.py", b"import os"),
        "no suffix": ("evil", whole),
        "dots in the name": ("../../evil.nii.gz", whole),
    }


BROKEN = [
    "zero bytes",
    "truncated",
    "truncated gzip",
    "five dimensions",
    "a text",
    "a detached header",
    "a script",
    "no suffix",
    "dots in the name",
]


@pytest.mark.parametrize("case", BROKEN)
def test_images_to_store(server: Server, unchanged: None, case: str) -> None:
    name, content = broken_files(server)[case]
    reply = server.client.put("/datastore/image?image=newcomer", files={"file": (name, content)}, data={"params": "{}"})
    refused(reply.status_code, reply.json(), "file")


@pytest.mark.parametrize("case", BROKEN)
def test_images_to_infer_on(server: Server, unchanged: None, case: str) -> None:
    answer = server.send(
        captured("slicer_sam_2d", "", foreground=[[1, 1, 1]]), files={"file": broken_files(server)[case]}
    )
    assert 400 <= answer.status < 500, answer.facts
    assert len(answer.facts["detail"]) > 15


@pytest.mark.parametrize("case", ["truncated", "five dimensions", "zero bytes"])
def test_images_that_lie_in_the_studies(server: Server, case: str) -> None:
    name, content = broken_files(server)[case]
    path = server.studies / name.replace("a.", f"{case.replace(' ', '_')}.")
    path.write_bytes(content)
    server.app.datastore().refresh()
    try:
        answer = server.click(case.replace(" ", "_"), foreground=[[1, 1, 1]])
        refused(answer.status, answer.facts, "image")
        assert answer.status == 422
    finally:
        path.unlink()
        server.app.datastore().refresh()


@pytest.mark.parametrize(
    "address",
    [
        "image?image=../evil",
        "image?image=/evil",
        "image?image=.hidden",
        "image?image=a%00b",
        "?image=..%2Fevil",
        "image?image=evil.nii.gz",
    ],
)
def test_ids_to_store_under(server: Server, unchanged: None, address: str) -> None:
    content = (server.studies / "l.nii.gz").read_bytes()
    reply = server.client.put(f"/datastore/{address}", files={"file": ("x.nii.gz", content)})
    refused(reply.status_code, reply.json(), "image")


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("image=l&tag=../../evil", "tag"),
        ("image=l&tag=/evil", "tag"),
        ("image=l&tag=a b", "tag"),
        ("image=../l&tag=final", "image"),
        ("image=nobody&tag=final", "image"),
    ],
)
def test_label_addresses(server: Server, unchanged: None, query: str, field: str) -> None:
    label = (server.studies / "labels" / "final" / "l.nii.gz").read_bytes()
    reply = server.client.put(f"/datastore/label?{query}", files={"label": ("x.nii.gz", label)}, data={"params": "{}"})
    refused(reply.status_code, reply.json(), field)


def labels(phantom: tuple[Volume, Mask], folder: Path) -> dict[str, tuple[str, bytes]]:
    grid = phantom[0].geometry
    moved = grid.affine.copy()
    moved[:3, 3] += 5
    other = write_mask(Mask(phantom[1].array, Geometry(grid.shape, moved)), folder / "moved.nii.gz")
    small = write_mask(Mask.empty(Geometry((4, 4, 4), LPS_TO_RAS)), folder / "small.nrrd")
    fractions = write_image(Volume(phantom[0].array.astype(np.float32) / 3, grid), folder / "fractions.nii.gz")
    return {
        "another place": ("moved.nii.gz", other.read_bytes()),
        "another size": ("small.nrrd", small.read_bytes()),
        "fractions": ("fractions.nii.gz", fractions.read_bytes()),
        "zero bytes": ("empty.nii.gz", b""),
        "a script": ("evil.py", b"import os"),
    }


LABELS = ["another place", "another size", "fractions", "zero bytes", "a script"]


@pytest.mark.parametrize("case", LABELS)
def test_labels_to_store(server: Server, unchanged: None, phantom: Any, case: str, tmp_path: Path) -> None:
    file = labels(phantom, tmp_path)[case]
    reply = server.client.put("/datastore/label?image=l", files={"label": file}, data={"params": "{}"})
    refused(reply.status_code, reply.json(), "label")


@pytest.mark.parametrize("case", LABELS)
def test_prior_masks(server: Server, unchanged: None, phantom: Any, case: str, tmp_path: Path) -> None:
    request = captured("slicer_sam_2d", "l", foreground=[GOOD], slice=12)
    answer = server.send(request, files={"label": labels(phantom, tmp_path)[case]})
    assert 400 <= answer.status < 500, answer.facts
    assert len(answer.facts["detail"]) > 15


@pytest.mark.parametrize("text", ["{", "[]"])
def test_label_params_and_infos(server: Server, unchanged: None, text: str) -> None:
    label = ("x.nii.gz", (server.studies / "labels" / "final" / "l.nii.gz").read_bytes())
    reply = server.client.put("/datastore/label?image=l", files={"label": label}, data={"params": text})
    refused(reply.status_code, reply.json(), "params")
    reply = server.client.put("/datastore/image/info?image=l", data={"info": text})
    refused(reply.status_code, reply.json(), "info")


@pytest.mark.parametrize(
    ("method", "address"),
    [
        ("GET", "/proxy/dicom/..%2Fsystem"),
        ("GET", "/proxy/dicom/..%252Fsystem"),
        ("GET", "/proxy/dicom/%2e%2e/system"),
        ("GET", "/ohif/..%2F..%2Fconfig.py"),
        ("POST", "/infer/..%2F..%2Fx"),
        ("POST", "/reload"),
        ("PUT", "/session/?uncompress=true"),
        ("PUT", "/model/sam_2d"),
        ("DELETE", "/model/sam_2d"),
        ("POST", "/infer/wsi/sam_2d"),
        ("GET", "/session/..%2Fx"),
        ("GET", "/session/abc"),
        ("DELETE", "/session/abc"),
        ("GET", "/datastore/image?image=../l"),
        ("DELETE", "/datastore/image?id=../l"),
        ("DELETE", "/datastore/image?id=x"),
        ("GET", "/datastore/label?label=l&tag=../x"),
        ("DELETE", "/datastore/label?id=l&tag=../x"),
        ("DELETE", "/datastore/label?id=l&tag=nothing"),
        ("GET", "/datastore/label/info?label=../l&tag=final"),
        ("GET", "/model/sam_2d"),
        ("POST", "/train/nothing"),
        ("POST", "/activelearning/nothing"),
        ("POST", "/activelearning/..%2Fx"),
        ("GET", "/datastore/image"),
    ],
)
def test_addresses(server: Server, unchanged: None, method: str, address: str) -> None:
    files = {"files": ("x.tar", b"x")} if method == "PUT" else None
    reply = server.client.request(method, address, files=files, params=None)
    assert 400 <= reply.status_code < 500, (reply.status_code, reply.text)
    assert len(json.loads(reply.text)["detail"]) > 8


def test_uploads_are_limited(server: Server, unchanged: None) -> None:
    huge = {"content-length": str(100 << 30)}
    reply = server.client.put("/datastore/image?image=big", content=b"x", headers=huge)
    assert reply.status_code == 413
    assert "MB" in reply.json()["detail"]
