"""The host's own routes, mended from outside: off the event loop, with checked arguments.

Two faults of the host are cured for all of them at once: they block the event loop (each is an `async def` that calls
blocking code), and they hand names from the network to the file system unchecked. Every endpoint is offered again, in
front of the original, as a plain function that a worker thread runs after its arguments were checked.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Coroutine, Iterator, Mapping
from pathlib import Path
from typing import Any

from fastapi import APIRouter, HTTPException
from fastapi.responses import FileResponse
from monailabel.endpoints import (
    activelearning,
    batch_infer,
    datastore,
    info,
    logs,
    model,
    ohif,
    scoring,
    session,
)
from monailabel.utils.async_tasks.utils import tasks
from starlette.background import BackgroundTask
from starlette.datastructures import UploadFile

from sam_infer.audit.line import EXPORTED, Deed
from sam_infer.audit.trail import Trail
from samlabel.access.case_limits import without_unseen
from samlabel.access.identity import current_person
from samlabel.access.login_state import LOGINS
from samlabel.access.names import (
    check_finite,
    check_name,
    check_session_id,
    check_tag,
    check_upload_name,
    json_object,
)
from samlabel.access.uploads import IMAGE_SUFFIXES, LABEL_SUFFIXES, allowed_suffix
from samlabel.errors import NotFoundError, RefusedError
from samlabel.host.handle import infer_tasks, running_app, scoring_methods, strategies
from samlabel.host.places import without_places
from samlabel.tasks import scoring_task

MODULES = (activelearning, batch_infer, datastore, info, logs, model, ohif, scoring, session)

# Arguments by name, wherever the host uses them.
CHECKS: dict[str, Callable[[Any], Any]] = {
    "image": lambda value: check_name(value, "image"),
    "id": lambda value: check_name(value, "id"),
    "label": lambda value: check_name(value, "label"),
    "tag": check_tag,
    "session_id": check_session_id,
    "model": lambda value: check_name(value, "model"),
    "strategy": lambda value: check_name(value, "strategy"),
    "method": lambda value: check_name(value, "method"),
}
JSON_FIELDS = ("params", "info")

# Uploads by name: the host gives them a name of its own, of which no sentence should tell.
FILES = {"file": IMAGE_SUFFIXES, "label": LABEL_SUFFIXES}


def _image_info(_: Any, arguments: dict[str, Any]) -> Any:
    """What is recorded of an image; of one that is not there nothing is."""
    store, image = running_app().datastore(), arguments["image"]
    if image not in store.list_images():
        raise NotFoundError(f"there is no image {image!r}", "image")
    return without_places(dict(store.get_image_info(image) or {}))


def _label_info(_: Any, arguments: dict[str, Any]) -> Any:
    """What is recorded of a label."""
    store, label, tag = running_app().datastore(), arguments["label"], arguments["tag"]
    store.get_label_uri(label, tag)  # refused when there is none
    return without_places(dict(store.get_label_info(label, tag) or {}))


def _dataset(answer: Any, _: dict[str, Any]) -> Any:
    """The host leaves every archive that it has sent in the folder for temporary files."""
    if isinstance(answer, FileResponse):
        answer.background = BackgroundTask(Path(answer.path).unlink, missing_ok=True)
    return answer


def _session(answer: Any, _: dict[str, Any]) -> Any:
    """What is kept of a session, or its image; the host sends a folder of files as a file, and fails."""
    if isinstance(answer, FileResponse) and not Path(answer.path).is_file():
        raise NotFoundError("this session holds several files, and no image that could be sent as one", "image")
    return answer


# How the host calls a task that has not ended.
UNDER_WAY = ("SUBMITTED", "RUNNING")

# Answers of the host that say nothing: a change is answered with what is recorded now.
COMPLETED: dict[str, Callable[[Any, dict[str, Any]], Any]] = {
    "api_get_image_info": _image_info,
    "api_put_image_info": _image_info,
    "api_get_label_info": _label_info,
    "api_put_label_info": _label_info,
    "api_update_label_info": _label_info,
    "api_download_dataset": _dataset,
    "api_get_session": _session,
}

# What is written into the audit trail before an endpoint is called, and the argument that says of what. Labels have
# their lines from the ledger.
DEEDS: dict[str, tuple[str, str]] = {
    "api_add_image": ("image added", "image"),
    "api_remove_image": ("image deleted", "id"),
    "api_remove_label": ("label deleted", "id"),
    "api_download_dataset": (EXPORTED, ""),
}

# Which argument of which module names what part of the app: the host starts a process before it looks.
PARTS: dict[str, tuple[str, Callable[[], Mapping[str, object]]]] = {
    batch_infer.__name__: ("model", infer_tasks),
    scoring.__name__: ("method", scoring_methods),
    activelearning.__name__: ("strategy", strategies),
}


def mended_routes() -> APIRouter:
    """The host's endpoints off the event loop and with checked arguments, and refusals for the harmful ones."""
    router = APIRouter()
    for path, methods, sentence in switched_off():
        router.add_api_route(path, _refusal(path, sentence), methods=methods, include_in_schema=False)
    for module in MODULES:
        for route in module.router.routes:
            router.add_api_route(
                route.path,
                off_the_loop(route.endpoint, COMPLETED.get(route.name)),
                methods=list(route.methods),
                # A second address of the same, which the host does not describe.
                include_in_schema=bool(route.deprecated),
                deprecated=route.deprecated,
                tags=route.tags,
                summary=route.summary,
                name=route.name,
            )
    return router


def off_the_loop(
    endpoint: Callable[..., Coroutine[Any, Any, Any]], complete: Callable[[Any, dict[str, Any]], Any] | None = None
) -> Callable[..., Any]:
    """A plain function that does what a host endpoint does; FastAPI runs those in a thread.

    `complete` makes the answer of the host's answer and the arguments.
    """

    def run(**arguments: Any) -> Any:
        check_arguments(arguments)
        check_known(endpoint.__module__, arguments)
        if endpoint is scoring.api_run and any(task["status"] in UNDER_WAY for task in tasks("scoring")):
            raise HTTPException(429)  # the host would let them queue without end
        if endpoint.__name__ in DEEDS:
            what, argument = DEEDS[endpoint.__name__]
            Trail.of().add(Deed(what, str(arguments.get(argument) or ""), how="over HTTP"))
        answer = without_places(_finish(endpoint(**arguments)))
        answer = answer if complete is None else complete(answer, arguments)
        seen = LOGINS.seen(current_person())
        return answer if seen is None else without_unseen(endpoint.__name__, answer, seen)

    # The signature is all that FastAPI reads; `functools.wraps` would make it see the coroutine again.
    run.__dict__["__signature__"] = inspect.signature(endpoint)
    run.__name__ = endpoint.__name__
    return run


def check_arguments(arguments: dict[str, Any]) -> None:
    """Refuse names, files and JSON that must not reach the host."""
    for name, value in arguments.items():
        for upload in value if isinstance(value, list) else [value]:
            if isinstance(upload, UploadFile):
                _check_file(upload, name)
        if isinstance(value, str) and name in CHECKS and (value or name != "image"):
            CHECKS[name](value)
        if name in JSON_FIELDS and isinstance(value, str) and not json_object(value, name):
            arguments[name] = "{}"  # the host stumbles over null, and over nothing
        if isinstance(value, dict):
            check_finite(value, name)
    if arguments.get("uncompress"):
        raise RefusedError("archives are not unpacked on this server: upload the image itself", "uncompress")


def _check_file(upload: UploadFile, name: str) -> None:
    file = check_upload_name(upload.filename, name)
    if name in FILES:
        allowed_suffix(file, FILES[name], name)


def check_known(module: str, arguments: dict[str, Any]) -> None:
    """Refuse the name of a model, method or strategy that this app does not have."""
    if module not in PARTS or not arguments.get(PARTS[module][0]):
        return
    argument, known = PARTS[module][0], PARTS[module][1]()
    if module == scoring.__name__ and isinstance(arguments.get("params"), dict):
        scoring_task.check(arguments["params"], running_app().config.model)
    if arguments[argument] not in known:
        names = ", ".join(known) or "none"
        raise NotFoundError(f"there is no {argument} {arguments[argument]!r}; this server has {names}", argument)


def _finish(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """Run a coroutine that awaits nothing."""
    try:
        coroutine.send(None)
    except StopIteration as done:
        return done.value
    coroutine.close()
    raise RuntimeError("this endpoint of the host needs the event loop")


# What remains of an address of which something is switched off.
HAVE = {"/model/{name}": ("GET",)}


def switched_off() -> Iterator[tuple[str, list[str], str]]:
    """Addresses of the host that are refused here, with their methods and why."""
    yield "/reload", ["POST"], "reloading is switched off: restart the server"
    yield "/model/{name}", ["PUT", "DELETE"], "weights are managed with 'samlabel models', not over the network"
    yield "/infer/wsi/{name}", ["POST"], "whole-slide inference is not part of this server"
    yield "/infer/wsi_v2/{name}", ["POST"], "whole-slide inference is not part of this server"


def _refusal(path: str, sentence: str) -> Callable[[], None]:
    """As an address refuses what it cannot do (405): with the methods that it has."""
    allowed = ", ".join(HAVE.get(path, ()))

    def refuse() -> None:
        raise HTTPException(405, sentence, {"allow": allowed})

    return refuse
