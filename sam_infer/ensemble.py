"""The last promoted adapters as one ensemble: where they disagree, another label may decide.

Those that were taken back do not count. Each is a whole network in memory, so a few have to do.
"""

from __future__ import annotations

from collections.abc import Callable

import structlog

from sam_infer.adapter import Adapter
from sam_infer.adapter_store import AdapterStore
from sam_infer.backbone import Backbone
from sam_infer.errors import AdapterError, PromptError
from sam_infer.predictor import Predictor
from sam_infer.promoted import adapted

log = structlog.get_logger(__name__)

LEAST, MOST = 2, 3


def members(store: AdapterStore) -> list[str]:
    """Ids of the last promoted adapters, the newest first; refused when they are too few to disagree."""
    found = store.promoted()[:MOST]
    if len(found) < LEAST:
        raise PromptError(
            f"method adapters compares the last promoted adapters, at least {LEAST}; of {store.model} there are "
            f"{len(found)}: choose another method until more were promoted",
            "method",
        )
    return found


def earlier(
    store: AdapterStore, serves: Predictor, build: Callable[[Adapter | None], Backbone]
) -> tuple[Predictor, ...]:
    """Predictors of the members besides the one that serves; refused when none of them can be used."""
    found = []
    for name in members(store):
        if name == serves.adapter:
            continue
        try:
            found.append(adapted(store, name, serves.cache, build))
        except AdapterError as error:
            log.warning("an earlier adapter is left out of the ensemble", adapter=name, reason=str(error))
    if not found:
        raise PromptError("no earlier adapter can be used to compare with: choose another method", "method")
    return tuple(found)
