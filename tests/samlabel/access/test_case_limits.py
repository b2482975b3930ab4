"""Cases of other projects: no route tells of them, and none opens them."""

from __future__ import annotations

import json

import pytest

from samlabel.access.case_limits import STUDY_UID, refused, searched
from samlabel.logins.projects import ProjectFilter, Seen
from tests.samlabel.conftest import Server, captured
from tests.samlabel.people import People

SEEN = Seen(frozenset({"1.1"}), frozenset({"1"}), None)


@pytest.mark.parametrize(
    ("method", "row", "path", "query", "fine"),
    [
        ("GET", "/datastore/image", "/datastore/image", "image=1.1", True),
        ("GET", "/datastore/image", "/datastore/image", "image=2.1", False),
        ("GET", "/datastore/image", "/datastore/image", "image=1.1&image=2.1", False),
        ("DELETE", "/datastore/label", "/datastore/label", "id=2.1&tag=draft_a", False),
        ("GET", "/datastore/label", "/datastore/label", "label=2.1", False),
        ("POST", "/infer/{model}", "/infer/sam_2d", "session_id=x", True),
        ("PUT", "/datastore/image", "/datastore/image", "", False),
        ("GET", "/labels/{case}", "/labels/1.1", "", True),
        ("GET", "/labels/{case}", "/labels/2.1", "", False),
        ("GET", "/datastore/", "/datastore/", "output=all", True),
        ("GET", "/datastore/", "/datastore/", "output=train", False),
        *(
            ("GET", "/proxy/dicom/{path:path}", f"/proxy/dicom/{service}{path}", "", fine)
            for service in ("", "qido/", "wado/")
            for path, fine in (
                ("studies", True),
                ("series", True),
                ("studies/1/series", True),
                ("studies/1/series/1.1/instances/1/frames/1", True),
                ("studies/2/series", False),
                ("studies/2", False),
                ("series/1.1/instances", False),
                ("instances/5", False),
            )
        ),
        ("POST", "/proxy/dicom/{path:path}", "/proxy/dicom/stow/studies/2", "", False),
    ],
)
def test_a_request_names_a_case_that_is_seen(method: str, row: str, path: str, query: str, fine: bool) -> None:
    assert (refused(method, row, path, query, SEEN) == "") == fine


def test_a_search_finds_what_is_seen() -> None:
    entries = [{STUDY_UID: {"Value": [uid]}} for uid in ("1", "2")] + [{}, {STUDY_UID: {}}]
    assert json.loads(searched(json.dumps(entries).encode(), SEEN)) == entries[:1]
    for odd in (b"", b"<xml/>", b"3", b'{"a": 1}', b"[1, null]"):
        assert json.loads(searched(odd, SEEN)) == []


def test_a_case_of_another_project_is_nowhere(server: Server, logins_on: People) -> None:
    desk = logins_on.desk
    desk.projects.set(ProjectFilter("other", patients=("l",), labels=("object",)))
    reader, boss = logins_on.bearer("annotator"), logins_on.bearer("reviewer")
    click = captured("slicer_sam_2d", "l", slice=12, foreground=[[24, 12, 12]])

    def told(header: dict[str, str]) -> tuple[int, bool, bool, int, int]:
        objects = server.client.get("/datastore/?output=all", headers=header).json()["objects"]
        listed = server.client.get("/labels/", headers=header).json()["labels"]
        image = server.client.get("/datastore/image?image=l", headers=header).status_code
        lease = server.client.put("/lease/?image=l", headers=header).status_code
        server.client.delete("/lease/?image=l", headers=header)
        return (
            server.send(click, **header).status,
            "l" in objects,
            any(row["case"] == "l" for row in listed),
            image,
            lease,
        )

    assert told(reader)[0] == 404 and not told(reader)[1] and not told(reader)[2] and told(reader)[3:] == (404, 404)
    assert server.client.get("/datastore/dataset", headers=reader).status_code == 403
    assert told(boss)[0] == 200 and told(boss)[1] and told(boss)[3:] == (200, 200)
    desk.accounts.set_projects("annotator", ("other",))
    assert told(reader)[0] == 200 and told(reader)[1] and told(reader)[3:] == (200, 200)
    assert server.client.get("/info/", headers=reader).json()["labels"] == ["object"]


def test_the_next_case_is_one_that_is_seen(server: Server, logins_on: People) -> None:
    store = server.app.datastore()
    store.add_image("waiting", str(server.studies / "l.nii.gz"), {})
    try:
        logins_on.desk.projects.set(ProjectFilter("other", patients=("waiting",)))
        reader = logins_on.bearer("annotator")
        other = server.client.post("/activelearning/first", json={}, headers=reader).json()
        assert other.get("id") != "waiting"
        logins_on.desk.accounts.set_projects("annotator", ("other",))
        answer = server.client.post("/activelearning/first", json={}, headers=reader)
        assert answer.json()["id"] == "waiting"
    finally:
        store.leases.end("waiting", "annotator")
        store.remove_image("waiting")
