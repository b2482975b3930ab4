"""`/labels`: list, release, withdraw, adjudicate accepted labels over HTTP; a saved one's answer tells its quarantine.

That several readers marked a case, and how far they agree, everybody may know. What the others marked is shown to
whoever may decide: a reader who saw it first would not be a second reader.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from pathlib import Path
from typing import Annotated, Any, cast

from fastapi import APIRouter, Body, File, Form, Response, UploadFile
from monailabel.endpoints import datastore as host

from sam_infer.masks.encode import encode_nrrd
from sam_trainer.labels.ledger import ACCEPTED, ADJUDICATED, GONE, QUARANTINED, RELEASED, WITHDRAWN, Ledger
from samlabel.access.callers import ADMIN, USER
from samlabel.access.identity import current_person, current_reader
from samlabel.access.login_state import LOGINS
from samlabel.access.names import check_name, check_upload_name, json_object
from samlabel.access.uploads import LABEL_SUFFIXES, allowed_suffix
from samlabel.errors import NotFoundError, RequestError
from samlabel.host.handle import running_app
from samlabel.loop.adjudication import Adjudication, Decision, Drawn
from samlabel.routes.host import off_the_loop
from samlabel.store.folder import FINAL, StudyStore
from samlabel.wire import label_facts

STATES = ("", ACCEPTED, QUARANTINED, RELEASED, WITHDRAWN, GONE, ADJUDICATED)
MAX_CHOICE, MAX_WHY = 20, 500

# Names of the values of a mask, as JSON in ASCII.
NAMES = "x-samlabel-names"

router = APIRouter(tags=["Labels"])


def _as_saved(answer: dict[str, Any], arguments: dict[str, Any]) -> dict[str, Any]:
    """The answer to a saved label, without what the app says of the accepted one where a draft was saved.

    The host does not tell the app which tag a label has.
    """
    accepted = (arguments.get("tag") or FINAL) == FINAL
    return answer if accepted else {key: told for key, told in answer.items() if key not in label_facts.OF_QUARANTINE}


save = off_the_loop(host.api_save_label, _as_saved)
# A name of its own: the host has an operation of the same address.
router.put("/datastore/label", summary="Save a label", name="save_label")(save)


@router.get("/labels/", summary="The newest event of every case's label", dependencies=[USER])
def overview(state: str = "") -> dict[str, Any]:
    """Every case with a label that was ever accepted; `state` picks those whose newest event it is."""
    if state not in STATES:
        raise RequestError(f"state must be one of {', '.join(STATES[1:])}, got {state[:40]!r}", "state")
    found, seen = label_facts.overview(_ledger(), state), LOGINS.seen(current_person())
    if seen is not None:
        found = [row for row in found if row["case"] in seen.images]
    return {"labels": found, "quarantined": len(_ledger().quarantine())}


@router.get("/labels/{case}", summary="Everything that happened to a case's label", dependencies=[USER])
def details(case: str) -> dict[str, Any]:
    """Versions, doubts, releases and withdrawals, the oldest first."""
    return label_facts.details(_ledger(), check_name(case, "case"))


@router.post("/labels/{case}/release", summary="Let a label in quarantine teach", dependencies=[ADMIN])
def release(case: str, why: str = Body("", embed=True, max_length=MAX_WHY)) -> dict[str, Any]:
    """Record that somebody looked at it and found it good."""
    record = _ledger().release(check_name(case, "case"), {"released_by": current_reader(), "why": why})
    return {"case": case, "event": record.event, "version": record.version}


@router.post("/labels/{case}/withdraw", summary="Take a label back", dependencies=[ADMIN])
def withdraw(case: str, why: str = Body("", embed=True, max_length=MAX_WHY)) -> dict[str, Any]:
    """Record that it must not teach any more; the file stays."""
    record = _ledger().withdraw(check_name(case, "case"), {"withdrawn_by": current_reader(), "why": why})
    return {"case": case, "event": record.event, "version": record.version}


@router.get("/labels/{case}/readings", summary="Who read a case, and how far they agree", dependencies=[USER])
def readings(case: str) -> dict[str, Any]:
    """The newest label of each named reader, their agreement and what was decided."""
    return _of(case).facts()


@router.get("/labels/{case}/readings/{which}", summary="What one of several readers marked", dependencies=[ADMIN])
def reading(case: str, which: str) -> Response:
    """A label map as NRRD: of a version, a consensus, or the difference of the two newest readings."""
    mask, names = _of(case).shown(which[:MAX_CHOICE])
    content = encode_nrrd(mask, compress=True)
    return Response(content, media_type="application/octet-stream", headers={NAMES: json.dumps(names)})


@router.post("/labels/{case}/adjudicate", summary="Decide between several readers", dependencies=[ADMIN])
def adjudicate(
    case: str,
    choice: Annotated[str, Form(max_length=MAX_CHOICE)],
    why: Annotated[str, Form(max_length=MAX_WHY)] = "",
    label: Annotated[UploadFile | None, File()] = None,
    params: Annotated[str, Form()] = "{}",
) -> dict[str, Any]:
    """Make a version, a consensus or a label of one's own the case's; recorded with who decided and from what."""
    about = _of(case)
    with tempfile.TemporaryDirectory(prefix="samlabel-") as folder:
        drawn = None if label is None else Drawn(_kept(label, Path(folder)), json_object(params, "params"))
        store = cast(StudyStore, running_app().datastore())
        record = about.decide(store, Decision(choice, why, drawn))
    return {"case": about.case, "event": record.event, "version": record.version, "choice": choice}


def _kept(label: UploadFile, folder: Path) -> Path:
    """An upload under a name of ours."""
    suffix = allowed_suffix(check_upload_name(label.filename, "label"), LABEL_SUFFIXES, "label")
    file = folder / f"label{suffix}"
    with file.open("wb") as out:
        shutil.copyfileobj(label.file, out)
    return file


def _of(case: str) -> Adjudication:
    ledger, name = _ledger(), check_name(case, "case")
    if name not in ledger.last():
        raise NotFoundError(f"no label of {name!r} was ever accepted here", "case")
    return Adjudication(ledger, name)


def _ledger() -> Ledger:
    return running_app().ledger
