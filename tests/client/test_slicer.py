"""The client library of 3D Slicer passes its script: on files in `make test`, on archives in `make accept`.

The training of the last test is the whole loop over REST: labels accepted, an adapter trained, judged and served,
and everything as before after a rollback.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from sam_infer.imaging.image_file import read_mask, write_mask
from sam_infer.imaging.volume import Mask
from samlabel.store.open import DEMO_LABELS
from tests.accept.loop import facts_and_mask
from tests.client import slicer_run
from tests.client.files_station import UNLABELLED, small_patients
from tests.client.stations import Station, serving
from tests.processes import HANG_S, wait_until
from tests.samlabel.server.first_answers import check_answers

pytestmark = [pytest.mark.client, pytest.mark.slow]

# What makes a training short, and does not let it end by itself.
QUICK = {
    "precision": "float32",
    "images": 1,
    "objects": 2,
    "decodes": 2,
    "semantic_images": 1,
    "semantic_steps": 1,
    "patience": 1000,
    "objects_per_case": 2,
    "clicks": 5,
}

# The options page as it comes when nobody chose a method, with the numbers as the text that its fields hold.
OPTIONS = {"method": ["decoder", "lora", "full"], "epochs": "500", "steps": "2", "seed": "0", "promote": True, **QUICK}

# Enough to be better than what serves; in the short form a gain that may be chance will do.
LONG = {"method": "decoder", "epochs": 2, "steps": 15, "held_out_cases": 2, "objects_per_case": 4}
SHORT = {**QUICK, **LONG, "epochs": 1, "steps": 16, "objects": 4, "decodes": 3, "semantic_images": 0, "certain": False}

GOES_ON = ("SUBMITTED", "RUNNING")


@dataclass(frozen=True)
class Files:
    """The station on a folder."""

    address: str
    truth: Path
    home: Path

    def get(self, path: str) -> Any:
        """The JSON at a path."""
        return httpx.get(f"{self.address}{path}", timeout=HANG_S, verify=False).json()

    def post(self, path: str, **body: Any) -> httpx.Response:
        """Send JSON."""
        return httpx.post(f"{self.address}{path}", json=body, timeout=HANG_S)

    def delete(self, path: str) -> httpx.Response:
        """Take back."""
        return httpx.delete(f"{self.address}{path}", timeout=HANG_S)

    def click(self, model: str, case: str, **params: Any) -> tuple[bytes, dict[str, Any]]:
        """The mask's bytes and the facts of one request."""
        url = f"{self.address}/infer/{model}?image={case}"
        data = {"params": json.dumps({"result_extension": ".nrrd", "result_compress": False, **params})}
        facts, mask = facts_and_mask(httpx.post(url, data=data, files={"unused": ("", b"")}, timeout=HANG_S))
        return mask, facts


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Files]:
    root = tmp_path_factory.mktemp("files")
    studies = small_patients(root / "studies")
    (root / "home").mkdir()
    conf = ("warm_up=false", "scoring=false", "prefetch=false")
    environment = {"OMP_NUM_THREADS": "1"}
    with serving(str(studies), root / "home", conf=conf, **environment) as address:
        yield Files(address, root / "truth", root / "home")


@pytest.fixture
def nothing_goes_on(files: Files) -> Iterator[None]:
    """A training that a test began ends with it, also when it fails: the next one would be told 429."""
    yield
    files.delete("/train/")
    wait_until(lambda: files.get("/train/")["status"] not in GOES_ON, "the training ends", every_s=0.5)


def test_a_server_of_our_launcher_answers(files: Files, tmp_path: Path) -> None:
    told = files.get("/info/")
    assert list(told["models"]) == ["sam_auto", "sam_2d", "sam_3d", "sam_multi", "sam_class", "sam_text"]
    assert told["labels"] == list(DEMO_LABELS)
    assert check_answers(files.address, "d", (24, 12, 5), tmp_path) == (96, 80, 10)


@pytest.mark.usefixtures("nothing_goes_on")
def test_the_script_on_files(files: Files, tmp_path: Path) -> None:
    with slicer_run.slicer(files.address, tmp_path) as client:
        case, image = slicer_run.open_next(client, files.address, tmp_path)
        assert case in UNLABELLED
        file = slicer_run.click_and_box(client, case, image, read_mask(files.truth / f"{case}.nii.gz"))
        before = client.info()["datastore"]["completed"]
        slicer_run.submit(client, case, file)
        assert client.info()["datastore"]["completed"] == before + 1
        progress = slicer_run.train_and_stop(client, OPTIONS)
        slicer_run.sessions(client, image)
    # what was learned until then is kept, and serves nobody yet
    found = files.get("/adapters/")
    assert found["serves"] is None and [entry["adapter"] for entry in found["adapters"]] == [progress["adapter"]]
    assert files.get(f"/adapters/{progress['adapter'][:12]}")["verdict"] is None


@pytest.mark.accept
@pytest.mark.parametrize("station", ["embedded", "orthanc", "orthanc-login"], indirect=True, scope="module")
def test_the_script_on_an_archive(station: Station, tmp_path: Path) -> None:
    with slicer_run.slicer(station.address, tmp_path) as client:
        for number in (1, 2):
            case, image = slicer_run.open_next(client, station.address, tmp_path)
            series = next(s for s in station.series if s.uid("series") == case)
            file = slicer_run.click_and_box(client, case, image, series.build()[1])
            slicer_run.submit(client, case, file)
            assert station.completed() == number
        slicer_run.train_and_stop(client, OPTIONS)
        slicer_run.sessions(client, image)


@pytest.mark.usefixtures("nothing_goes_on")
@pytest.mark.parametrize("order", [SHORT, pytest.param(LONG, marks=pytest.mark.accept)], ids=["short", "long"])
def test_accepted_labels_become_an_adapter_that_serves_and_can_be_taken_back(
    files: Files, order: dict[str, Any]
) -> None:
    case = UNLABELLED[0]
    liver = np.argwhere(read_mask(files.truth / f"{case}.nii.gz").array[:, :, 5] == 1).mean(axis=0).round()
    prompt = {"foreground": [[int(liver[0]), int(liver[1]), 5]]}
    before, facts = files.click("sam_2d", case, **prompt)
    auto_before, auto_facts = files.click("sam_auto", case)
    assert facts["adapter"] == auto_facts["adapter"] == "none"
    assert files.post("/train/sam", **order).status_code == 200
    done = finished(files)
    assert done["status"] == "DONE", done
    progress = done["progress"]
    assert progress["state"] == "done" and progress["promoted"], progress
    name = progress["adapter"]
    assert files.get("/adapters/")["serves"] == name
    after, facts = files.click("sam_2d", case, **prompt)
    auto_after, auto_facts = files.click("sam_auto", case)
    assert facts["adapter"] == auto_facts["adapter"] == name
    assert after != before and auto_after != auto_before
    verdict = files.get(f"/adapters/{name}")["verdict"]
    assert verdict["promote"] and verdict["cases"] == 2 and verdict["gain"] >= 0.002
    assert files.post("/adapters/rollback").json() == {"serves": None}
    again, facts = files.click("sam_2d", case, **prompt)
    assert again == before and facts["adapter"] == "none"
    assert files.click("sam_auto", case)[0] == auto_before
    assert files.post(f"/adapters/{name[:10]}/promote").json() == {"serves": name}
    assert files.click("sam_2d", case, **prompt)[0] == after
    files.post("/adapters/rollback")


@pytest.mark.usefixtures("nothing_goes_on")
def test_a_training_can_be_stopped_before_it_began(files: Files) -> None:
    """No process is left, and none appears later."""
    assert files.post("/train/sam", method="decoder", epochs=500).status_code == 200
    stopped = files.delete("/train/").json()
    assert stopped["status"] == "STOPPED" and stopped["progress"] == {"state": "starting", "percent": 0.0}
    status = files.get("/train/")
    assert status["status"] == "STOPPED" and status["progress"]["state"] == "starting"
    assert httpx.get(f"{files.address}/train/?check_if_running=true", timeout=HANG_S).status_code == 404
    assert files.delete("/train/").json() is None


@pytest.mark.accept
@pytest.mark.usefixtures("nothing_goes_on")
def test_a_round_with_wrong_labels_is_refused_by_the_gate(files: Files, tmp_path: Path) -> None:
    for case in ("a", "b"):
        truth = read_mask(files.truth / f"{case}.nii.gz")
        wrong = np.zeros_like(truth.array)
        wrong[np.arange(len(wrong)) // 5 % 2 == 0] = 1  # stripes through everything
        path = write_mask(Mask(wrong, truth.geometry), tmp_path / f"{case}.nrrd")
        url = f"{files.address}/datastore/label?image={case}&tag=final"
        with path.open("rb") as file:
            sent = {"label": (path.name, file)}
            told = httpx.put(url, data={"params": '{"label_info": [{"name": "liver"}]}'}, files=sent, timeout=HANG_S)
        assert told.status_code == 200
    serving_now = files.get("/adapters/")["serves"]
    order = {"method": "decoder", "epochs": 3, "steps": 15, "lr": 0.001, "held_out_cases": 2, "objects_per_case": 4}
    assert files.post("/train/sam", **order).status_code == 200
    progress = finished(files)["progress"]
    assert progress["state"] == "done" and not progress["promoted"]
    verdict = files.get(f"/adapters/{progress['adapter']}")["verdict"]
    assert verdict["gain"] < 0 and files.get("/adapters/")["serves"] == serving_now


@pytest.mark.parametrize(
    ("path", "body", "status", "sentence"),
    [
        ("/train/sam", {"method": "magic"}, 422, "method must be one of lora, decoder, full"),
        ("/train/sam", {"epochs": "many"}, 422, "epochs must be a whole number, got 'many'"),
        ("/train/sam", {"name": "../../x"}, 422, "unknown parameter 'name'"),
        ("/train/nothing", {}, 404, "there is no trainer 'nothing'"),
        ("/adapters/ffffffff/promote", {}, 404, "there is no adapter that begins with 'ffffffff'"),
        ("/adapters/..%2F..%2Fx/promote", {}, 422, ".."),
        ("/adapters/rollback", {}, 409, "nothing to go back from"),
    ],
)
def test_what_cannot_work_is_refused_before_a_process_starts(
    files: Files, path: str, body: dict[str, Any], status: int, sentence: str
) -> None:
    answer = files.post(path, **body)
    assert answer.status_code == status, answer.text
    assert sentence in answer.json()["detail"]


def finished(files: Files) -> dict[str, Any]:
    """The status once the training's process has ended."""
    wait_until(lambda: files.get("/train/")["status"] not in GOES_ON, "the training ends", every_s=1.0)
    return dict(files.get("/train/"))
