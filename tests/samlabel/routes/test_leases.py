"""Next cases and leases over HTTP, as two readers at two viewers meet them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from sam_infer.imaging.image_file import write_image, write_mask
from sam_infer.imaging.volume import Mask, Volume
from samlabel.store.leases import NAME
from tests.samlabel.conftest import Server

CASES = ("case1", "case2")


@pytest.fixture
def cases(server: Server, phantom: tuple[Volume, Mask]) -> Iterator[None]:
    """Two cases without a label, the first ones by name; nobody has any open."""
    for name in CASES:
        write_image(phantom[0], server.studies / f"{name}.nii.gz")
    server.app.datastore().refresh()
    yield
    for name in CASES:
        server.client.delete(f"/datastore/?id={name}")
    (server.studies / NAME).unlink(missing_ok=True)


def next_case(server: Server, reader: str, **body: Any) -> str | None:
    answer = server.client.post("/activelearning/first", json=body, headers={"x-samlabel-reader": reader})
    assert answer.status_code == 200, answer.text
    return answer.json().get("id")


def lease(server: Server, method: str, image: str, reader: str) -> Any:
    return server.client.request(method, f"/lease/?image={image}", headers={"x-samlabel-reader": reader})


def test_two_readers_get_two_cases(server: Server, cases: None) -> None:
    assert next_case(server, "anna") == "case1"
    assert next_case(server, "anna") == "case1"  # asked again without having left it: still hers
    assert next_case(server, "bert") == "case2"
    assert next_case(server, "carl") not in CASES
    assert next_case(server, "", client_id="user-1a2b") not in CASES  # 3D Slicer names its user so


def test_who_leaves_a_case_is_sent_elsewhere_and_sets_it_free(server: Server, cases: None) -> None:
    assert next_case(server, "anna") == "case1"
    assert next_case(server, "anna", leave="case1") == "case2"
    assert next_case(server, "bert") == "case1"
    assert next_case(server, "anna", leave="case2") not in CASES


def test_an_open_case_is_said(server: Server, cases: None) -> None:
    assert lease(server, "PUT", "case1", "anna").json()["reader"] == "anna"
    refused = lease(server, "PUT", "case1", "bert")
    assert refused.status_code == 409 and "anna has this case open" in refused.json()["detail"]
    assert lease(server, "DELETE", "case1", "bert").status_code == 200  # not his to end
    assert next_case(server, "bert") == "case2"
    assert lease(server, "DELETE", "case1", "anna").status_code == 200
    assert lease(server, "PUT", "case1", "bert").json()["reader"] == "bert"
    assert lease(server, "PUT", "../case1", "bert").status_code == 422


@pytest.mark.parametrize(("tag", "open_after"), [("final", False), ("draft_anna", True)])
def test_a_lease_ends_with_submit_not_with_a_draft(
    server: Server, cases: None, phantom: tuple[Volume, Mask], tmp_path: Any, tag: str, open_after: bool
) -> None:
    lease(server, "PUT", "case1", "anna")
    file = write_mask(Mask(np.ones(phantom[1].array.shape, np.uint8), phantom[0].geometry), tmp_path / "label.nrrd")
    with file.open("rb") as label:
        saved = server.client.put(
            f"/datastore/label?image=case1&tag={tag}",
            files={"label": ("label.nrrd", label)},
            headers={"x-samlabel-reader": "anna"},
        )
    assert saved.status_code == 200, saved.text
    assert ("case1" in server.app.datastore().leases.of_others("bert")) is open_after
