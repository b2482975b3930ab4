"""`/adapters`: list, show, promote and roll back adapters over HTTP."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from fastapi import APIRouter

from sam_infer.adapters.store import AdapterStore
from sam_infer.models.load import load_network, weights_id_of
from sam_infer.models.model_table import ModelTable
from sam_trainer.judging.alarm import alarm_of
from samlabel.access.callers import ADMIN, USER
from samlabel.access.identity import current_reader
from samlabel.access.names import check_name
from samlabel.engine import model_table_file
from samlabel.host.handle import running_app
from samlabel.wire import adapter_facts

router = APIRouter(prefix="/adapters", tags=["Adapters"])


@router.get("/", summary="Every adapter of the model that serves", dependencies=[USER])
def overview() -> dict[str, Any]:
    """Which adapter serves, whether there is an alarm about it, and all there are, the newest first; with several
    models, which labels another one answers."""
    store = _store()
    serves, found = store.pointer().adapter, adapter_facts.overview(store, weights_id_of(store.model))
    alarm = alarm_of(store, serves) if serves else None
    app = running_app()
    table = ModelTable.read(model_table_file(app.source)) if app.config.models else ModelTable()
    by_label = [asdict(choice) for choice in table.choices]
    return {"model": store.model, "serves": serves, "alarm": alarm, "adapters": found, "by_label": by_label}


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
    """Move the pointer by hand, to an adapter that the network can answer with."""
    store = _store()
    name = store.find(check_name(adapter, "adapter"))
    load_network(store.model).require_fit(store.get(name))
    return {"serves": store.promote(name, f"promoted by {current_reader() or 'a client'}")}


def _store() -> AdapterStore:
    return AdapterStore(running_app().config.model)
