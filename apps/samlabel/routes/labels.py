"""`/labels`: list, release and withdraw accepted labels over HTTP; a saved label's answer tells its quarantine."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Body
from monailabel.endpoints import datastore as host

from sam_trainer.labels.ledger import ACCEPTED, GONE, QUARANTINED, RELEASED, WITHDRAWN, Ledger
from samlabel.access.callers import ADMIN, USER
from samlabel.access.identity import current_person, current_reader
from samlabel.access.login_state import LOGINS
from samlabel.access.names import check_name
from samlabel.errors import RequestError
from samlabel.host.handle import running_app
from samlabel.routes.host import off_the_loop
from samlabel.store.folder import FINAL
from samlabel.wire import label_facts

STATES = ("", ACCEPTED, QUARANTINED, RELEASED, WITHDRAWN, GONE)
MAX_WHY = 500

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


def _ledger() -> Ledger:
    return running_app().ledger
