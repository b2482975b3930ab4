"""`/adapters`: list, show, promote and roll back adapters over HTTP."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter

from sam_infer.adapters.store import AdapterStore
from sam_infer.models.load import weights_id_of
from sam_trainer.judging.alarm import alarm_of
from samlabel.access.callers import ADMIN, USER
from samlabel.access.identity import current_reader
from samlabel.access.names import check_name
from samlabel.host.handle import running_app
from samlabel.wire import adapter_facts

router = APIRouter(prefix="/adapters", tags=["Adapters"])


@router.get("/", summary="Every adapter of the model that serves", dependencies=[USER])
def overview() -> dict[str, Any]:
    """Which adapter serves, whether there is an alarm about it, and all there are, the newest first."""
    store = _store()
    serves, found = store.pointer().adapter, adapter_facts.overview(store, weights_id_of(store.model))
    alarm = alarm_of(store, serves) if serves else None
    return {"model": store.model, "serves": serves, "alarm": alarm, "adapters": found}


@router.get("/{adapter}", summary="Where an adapter comes from and how it was judged", dependencies=[USER])
def details(adapter: str) -> dict[str, Any]:
    """Everything about one adapter."""
    return adapter_facts.details(_store(), check_name(adapter, "adapter"))


@router.post("/rollback", summary="Go back to what served before", dependencies=[ADMIN])
def rollback() -> dict[str, Any]:
    """Serve what served before the adapter that serves now."""
    return {"serves": _store().rollback(f"rolled back by {current_reader() or 'a client'}")}


@router.post("/{adapter}/promote", summary="Serve an adapter from the next click on", dependencies=[ADMIN])
def promote(adapter: str) -> dict[str, Any]:
    """Move the pointer by hand."""
    return {"serves": _store().promote(check_name(adapter, "adapter"), f"promoted by {current_reader() or 'a client'}")}


def _store() -> AdapterStore:
    return AdapterStore(running_app().config.model)
