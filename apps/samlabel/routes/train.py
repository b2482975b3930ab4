"""`/train`: start, watch and stop a training; requests are checked before a process is started."""

from __future__ import annotations

import subprocess
import time
from datetime import datetime
from typing import Any

import structlog
from fastapi import APIRouter
from fastapi.responses import Response
from monailabel.endpoints import train as host
from monailabel.utils.async_tasks.utils import processes, tasks

from sam_trainer.errors import TrainingError
from sam_trainer.training.record import fit_curves
from sam_trainer.training.run_round import training_folder
from samlabel.access.audited import current_actor
from samlabel.access.callers import ADMIN, USER
from samlabel.access.names import check_finite, check_name
from samlabel.errors import NotFoundError
from samlabel.host.handle import running_app, trainers
from samlabel.host.places import without_places
from samlabel.loop.stopping import stop_requested
from samlabel.tasks.standing_training import STOP_SECONDS, standing_training
from samlabel.tasks.train_task import SamTrain
from samlabel.wire.train_request import ORDERED_BY, ORDERED_FROM, TRAINER

log = structlog.get_logger(__name__)


# The host starts a process within milliseconds of an order.
START_SECONDS = 10.0

# How the host writes the time of day, this machine's.
HOST_TIME = "%Y-%m-%d %H:%M:%S"

router = APIRouter(prefix="/train", tags=["Train"])


@router.get("/", summary="How far the training is", dependencies=[USER])
def status(all: bool = False, check_if_running: bool = False) -> Any:
    """The host's record of the last training, with percent, seconds left and metrics; of all, without them.

    One that a server before this one left behind is `adopted`.
    """
    standing = standing_training(trainer().model)
    if standing is not None and not all:
        return standing.status()
    found = host.status(all, check_if_running)
    return without_places(found if all else {**found, "progress": _progress_of(found)})


@router.get("/curves", summary="Learning curves of the last training, as PNG", dependencies=[USER])
def curves() -> Response:
    """Loss and validation Dice against epochs, as far as it is."""
    run = trainer().stats().get("run")
    picture = fit_curves(training_folder(trainer().model) / str(run), str(run)) if run else None
    if picture is None:
        raise NotFoundError("there are no learning curves yet: they begin with the first epoch of a training", "curves")
    return Response(picture, media_type="image/png", headers={"cache-control": "no-cache"})


@router.post("/", summary="Train", deprecated=True, dependencies=[ADMIN])
def start_all(params: dict[str, Any] | None = None, run_sync: bool = False) -> Any:
    """Train the only trainer there is; OHIF asks in this way."""
    return {TRAINER: {"result": start(TRAINER, params, run_sync, enqueue=True), "detail": None}}


@router.post("/{model}", summary="Train", dependencies=[ADMIN])
def start(model: str, params: dict[str, Any] | None = None, run_sync: bool = False, enqueue: bool = False) -> Any:
    """Start a training; what cannot work is refused here, not in the log of a process."""
    task = trainer(check_name(model, "model"))
    check_finite(params, "params")
    order = task.order(params or {})
    standing = standing_training(task.model)
    if standing is not None:
        raise TrainingError(
            f"a training that this server did not start is running (process {standing.pid}): wait for its end, or stop "
            "it with DELETE /train/",
            "model",
        )
    if not order.resume:
        _require_labels()
    actor = current_actor()
    ordered = {**(params or {}), ORDERED_BY: actor.who, ORDERED_FROM: actor.whence}
    return without_places(host.run_model(model, ordered, run_sync, enqueue))


def _require_labels() -> None:
    """Refuse to start a process that would only find out that there is nothing to learn from."""
    app = running_app()
    labeled = set(app.datastore().get_labeled_images())
    if not labeled:
        raise TrainingError("there is no accepted label yet: submit at least one, then train", "studies")
    if labeled <= set(app.ledger.quarantine()):
        raise TrainingError(
            f"every accepted label is in quarantine ({len(labeled)} of them): GET /labels/?state=quarantined says why; "
            "release the good ones",
            "studies",
        )


@router.delete("/", summary="Stop the training", dependencies=[ADMIN])
def stop() -> Any:
    """End the training after its present step and keep the best version; the host's way kills it."""
    stop_requested.set()
    running = _running()
    if running is None:
        standing = standing_training(trainer().model)
        return None if standing is None else standing.stop()
    number, process = running
    task = next(entry for entry in tasks("train") if entry["id"] == number)
    task["status"] = "STOPPED"  # the host would call it done
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        log.warning("the training did not end in time and is killed", seconds=STOP_SECONDS)
        return host.stop()
    return without_places({**task, "progress": _progress_of(task)})


def _running() -> tuple[str, subprocess.Popen[str]] | None:
    """The training's process, waited for if it was ordered this moment; None when there is none."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        running = next(iter(processes("train").items()), None)
        if running is not None or not any(task["status"] == "SUBMITTED" for task in tasks("train")):
            return running
        time.sleep(0.05)
    return None


def _progress_of(task: dict[str, Any]) -> dict[str, Any]:
    """How far a training is; while its process still loads, the file tells of the one before."""
    facts = trainer().stats()
    started = datetime.strptime(task["start_ts"], HOST_TIME).timestamp()
    return facts if facts.get("start_ts", 0) >= int(started) else {"state": "starting", "percent": 0.0}


def trainer(name: str = TRAINER) -> SamTrain:
    """The app's train task."""
    known = trainers()
    task = known.get(name)
    if not isinstance(task, SamTrain):
        raise NotFoundError(f"there is no trainer {name!r}; this server has {', '.join(known) or 'none'}", "model")
    return task
