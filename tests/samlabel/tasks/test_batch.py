"""Batches: every image gets its label, a failure costs one case, an interruption costs nothing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sam_infer.imaging.image_file import read_mask, write_image
from sam_trainer.synthetic.patients import grid, l_shape, render
from tests.samlabel.conftest import Server


@pytest.fixture
def scans(server: Server, quick_heads: None) -> Iterator[Server]:
    """Three more images, one of them damaged."""
    for number in (1, 2):
        volume, _ = render(l_shape(), grid((40, 32, 24), (0.9, 1.1, 3)), "CT", np.random.default_rng(number), noise=0.3)
        write_image(volume, server.studies / f"scan_{number}.nii.gz")
    (server.studies / "scan_broken.nii.gz").write_bytes(b"no image")
    store = server.app.datastore()
    store.refresh()
    yield server
    for name in ("scan_1", "scan_2", "scan_broken"):
        store.remove_image(name)
    if "machine" in store.get_labels_by_image_id("l"):
        store.remove_label("l", "machine")


def run(server: Server, **params: Any) -> Any:
    reply = server.client.post(
        "/batch/infer/sam_auto?images=all&run_sync=true", json={"label_tag": "machine", **params}
    )
    return reply.status_code, reply.json()


def test_one_damaged_case_costs_one_case_and_the_second_run_only_does_what_is_missing(scans: Server) -> None:
    status, first = run(scans, extent="slice")
    assert status == 200, first
    assert (first["cases"], first["done"], first["skipped"], first["failed"]) == (4, 3, 0, 1)
    assert "scan_broken" in first["results"]["scan_broken"]["error"]
    store = scans.app.datastore()
    for name in ("l", "scan_1", "scan_2"):
        file = Path(store.get_label_uri(name, "machine"))
        assert read_mask(file).array.any() and store.get_label_info(name, "machine")["params"]["mode"] == "best"
    stamps = [Path(store.get_label_uri(name, "machine")).stat().st_mtime_ns for name in ("l", "scan_1", "scan_2")]
    _, again = run(scans)
    assert (again["done"], again["skipped"], again["failed"]) == (0, 3, 1)
    after = [Path(store.get_label_uri(name, "machine")).stat().st_mtime_ns for name in ("l", "scan_1", "scan_2")]
    assert stamps == after
    store.remove_label("scan_2", "machine")  # as if it had been interrupted there
    _, resumed = run(scans)
    assert (resumed["done"], resumed["skipped"]) == (1, 2) and "scan_2" in resumed["results"]
    _, forced = run(scans, force=True, max_batch_size=2)
    assert (forced["done"], forced["failed"]) == (2, 0)


def test_only_images_without_an_accepted_label(scans: Server) -> None:
    reply = scans.client.post("/batch/infer/sam_auto?images=unlabeled&run_sync=true", json={"label_tag": "machine"})
    assert set(reply.json()["results"]) == {"scan_1", "scan_2", "scan_broken"}


def test_a_machine_accepts_nothing(scans: Server) -> None:
    status, body = run(scans, label_tag="final")
    assert status == 403 and "come from readers" in body["detail"]
    status, body = run(scans, label_tag="../final")
    assert status == 422
