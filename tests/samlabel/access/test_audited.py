"""What a request leaves in the audit trail: who, from where, to which route; and no patient's name."""

from __future__ import annotations

import json
import re
from pathlib import Path

from sam_infer.audit.actor import Actor
from sam_infer.audit.line import Line
from sam_infer.audit.trail import Trail
from sam_infer.audit.verify import verify_trail
from samlabel.access.audited import current_actor, note_start, working_for
from tests.samlabel.conftest import Server


def lines() -> list[Line]:
    trail = Trail.of()
    assert verify_trail(trail).faults == ()
    return list(trail.lines())


def test_a_refusal_names_the_route_and_nothing_of_the_patient(server: Server) -> None:
    evil = {"Origin": "http://evil.example", "X-Samlabel-Reader": "dr.who"}
    assert server.client.post("/labels/Miller_Hans/release?PatientName=Miller", headers=evil).status_code == 403
    assert server.client.post("/labels/l/withdraw", headers=evil).status_code == 403
    first, second = lines()
    assert (first.what, first.subject, first.how) == ("refused", "POST /labels/{case}/release", "status 403")
    assert (second.who, second.whence, second.subject) == ("local", "testclient", "POST /labels/{case}/withdraw")


def test_a_label_that_is_saved_withdrawn_and_deleted(server: Server) -> None:
    label = (server.studies / "labels" / "final" / "l.nii.gz").read_bytes()
    saved = server.client.put(
        "/datastore/label?image=l&tag=final",
        files={"label": ("l.nii.gz", label)},
        data={"params": json.dumps({"label_info": [{"name": "object", "idx": 1}], "note": "Miller, Hans"})},
        headers={"X-Samlabel-Reader": "dr.who"},
    )
    assert saved.status_code == 200
    said = {"why": "the wrong side of Miller, Hans"}
    assert server.client.post("/labels/l/withdraw", json=said, headers={"X-Samlabel-Reader": "lee"}).status_code == 200
    accepted, withdrawn = lines()
    assert accepted.what in ("label accepted", "label quarantined") and withdrawn.what == "label withdrawn"
    assert (accepted.who, accepted.subject, withdrawn.who, withdrawn.subject) == ("dr.who", "l", "lee", "l")
    assert re.fullmatch("[0-9a-f]{64}", accepted.content) and accepted.content == withdrawn.content
    assert "Miller" not in "".join(path.read_text() for path in Trail.of().files())


def test_what_another_process_does_is_its_orderer_s() -> None:
    with working_for(Actor("lee", "10.0.0.9")):
        assert current_actor() == Actor("lee", "10.0.0.9")
    assert current_actor().whence == "command line"


def test_a_start_tells_its_settings_and_no_secret(isolated_home: Path) -> None:
    note_start({"model": "tiny", "oidc_secret_file": "secret.txt", "gate_cases": "4"})
    (line,) = lines()
    assert (line.what, line.how) == ("server started", "gate_cases=4 model=tiny") and len(line.content) == 64
