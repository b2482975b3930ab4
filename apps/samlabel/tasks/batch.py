"""`POST /batch/infer/MODEL`: batch inference on all images of the studies, in the host's background process.

What the host's own task does differently: it stops at the first image that fails, answers finished images again after
an interruption, and divides by the number of GPUs.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

import structlog
from monailabel.interfaces.datastore import Datastore
from monailabel.interfaces.tasks.batch_infer import BatchInferTask

from sam_infer.errors import SamError
from samlabel.access.names import check_tag
from samlabel.errors import RefusedError
from samlabel.store.folder import FINAL

log = structlog.get_logger(__name__)

# The host's tag of what a model made.
ORIGINAL = "original"


def batch_infer(
    request: Mapping[str, Any], datastore: Datastore, infer: Callable[..., Mapping[str, Any]]
) -> dict[str, Any]:
    """Labels with tag `label_tag` for `images`; those that have one are skipped unless `force` is given."""
    tag = check_tag(str(getattr(request.get("label_tag"), "value", request.get("label_tag") or ORIGINAL)))
    if tag == FINAL:
        raise RefusedError("accepted labels come from readers: choose another label_tag than 'final'", "label_tag")
    wanted = sorted(BatchInferTask().get_images(request, datastore))
    waiting = [name for name in wanted if request.get("force") or tag not in datastore.get_labels_by_image_id(name)]
    skipped = len(wanted) - len(waiting)
    waiting = waiting[: int(request.get("max_batch_size") or 0) or None]
    started, results = time.monotonic(), {}
    for number, name in enumerate(waiting, 1):
        results[name] = _one({**request, "image": name, "label_tag": tag, "save_label": True}, datastore, infer)
        seconds = time.monotonic() - started
        left = seconds / number * (len(waiting) - number)
        log.info(
            "batch",
            image=name,
            done=number,
            of=len(waiting),
            seconds=round(seconds, 1),
            left=round(left, 1),
            **{key: value for key, value in results[name].items() if key == "error"},
        )
    failed = [name for name, result in results.items() if "error" in result]
    summary = {
        "cases": len(wanted),
        "done": len(results) - len(failed),
        "skipped": skipped,
        "failed": len(failed),
        "seconds": round(time.monotonic() - started, 1),
    }
    log.info("batch is over", **summary)
    return {**summary, "results": results}


def _one(request: dict[str, Any], datastore: Datastore, infer: Callable[..., Mapping[str, Any]]) -> dict[str, Any]:
    """One image: the label's id and the JSON part, or why there is none."""
    try:
        answer = infer(request, datastore)
    except SamError as error:
        return {"error": str(error)}
    except Exception as error:
        log.error("a case of the batch failed", image=request["image"], exc_info=error)
        return {"error": f"unexpected failure, see the log: {type(error).__name__}"}
    return {"label": answer["label"], "tag": answer["tag"], "params": answer["params"]}
