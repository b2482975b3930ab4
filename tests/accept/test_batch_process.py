"""A batch as the host runs it: in a process of its own, on the CPU, through `/batch/infer`."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from sam_infer.imaging.image_file import read_mask, write_image, write_mask
from sam_trainer.measures.overlap import dice
from sam_trainer.synthetic.patients import ABDOMEN_LABELS, abdomen, grid, render
from tests.accept.server import ServerProcess
from tests.processes import wait_until

pytestmark = [pytest.mark.accept, pytest.mark.timeout(1800)]

NAMES = {str(value): name for value, name in ABDOMEN_LABELS.items()}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """Two accepted patients, two without a label, and a damaged file."""
    folder = tmp_path_factory.mktemp("batch")
    studies, cases = folder / "studies", {}
    for number in range(4):
        rng = np.random.default_rng(number)
        volume, mask = render(abdomen(rng), grid((96, 84, 16), (3.4, 3.2, 11.0)), "CT", rng)
        write_image(volume, studies / f"patient_{number}.nii.gz")
        cases[f"patient_{number}"] = {"modality": "CT", "labels": NAMES}
        write_mask(
            mask, (studies / "labels" / "final" if number < 2 else folder / "truth") / f"patient_{number}.nii.gz"
        )
    (studies / "patient_9.nii.gz").write_bytes(b"no image")
    (studies / "dataset.json").write_text(json.dumps({"cases": cases}))
    running = ServerProcess(studies, folder / "home")
    running.start()
    yield running
    running.stop()


def run(server: ServerProcess, **params: Any) -> dict[str, Any]:
    """Start a batch and wait for its end."""
    started = server.client.post("/batch/infer/sam_auto?images=unlabeled", json=params)
    assert started.status_code == 200, started.text
    deadline = time.monotonic() + 900
    while time.monotonic() < deadline:
        time.sleep(2)
        with suppress(httpx.HTTPError):  # a busy server may close a connection that it kept as it is used again
            task = server.client.get("/batch/infer").json()
            if task["status"] in ("DONE", "ERROR"):
                return dict(task)
    raise TimeoutError("the batch did not end")


def test_unlabelled_patients_get_labels_and_a_second_batch_only_what_is_missing(server: ServerProcess) -> None:
    wanted = {"mode": "selfprompt", "extent": "volume", "label_tag": "machine"}
    task = run(server, **wanted)
    told = "\n".join(task["details"])
    assert task["status"] == "DONE", told
    assert "cases=3" in told and "done=2" in told and "failed=1" in told, told
    stamps = []
    for number in (2, 3):
        file = server.studies / "labels" / "machine" / f"patient_{number}.nrrd"
        truth = read_mask(server.home.parent / "truth" / f"patient_{number}.nii.gz").array
        found = read_mask(file).array
        assert np.mean([dice(found == value, truth == value) for value in ABDOMEN_LABELS]) > 0.6
        stamps.append(file.stat().st_mtime_ns)
    again = "\n".join(run(server, **wanted)["details"])
    assert "done=0" in again and "skipped=2" in again, again
    files = [server.studies / "labels" / "machine" / f"patient_{number}.nrrd" for number in (2, 3)]
    assert [Path(file).stat().st_mtime_ns for file in files] == stamps


def test_a_batch_that_was_killed_goes_on_where_it_was(server: ServerProcess) -> None:
    """kill -9 of server and batch after the first patient, by the default mode; the first one's label is kept."""
    wanted = {"extent": "volume", "label_tag": "drafted"}
    first, second = (server.studies / "labels" / "drafted" / f"patient_{number}.nrrd" for number in (2, 3))
    assert server.client.post("/batch/infer/sam_auto?images=unlabeled", json=wanted).status_code == 200
    wait_until(first.is_file, "the first patient", every_s=0.1)
    server.kill_all()
    stamp = first.stat().st_mtime_ns
    assert not second.exists()
    server.start()
    told = "\n".join(run(server, **wanted)["details"])
    assert "done=1" in told and "skipped=1" in told and "failed=1" in told, told
    assert first.stat().st_mtime_ns == stamp and read_mask(second).array.any()
