"""`POST /infer/MODEL`: one segmentation request, answered in a worker thread.

What a client may name is an image id, a session, or a file that comes with the request. `params` cannot replace them,
nor make the server write a label. The reply has the host's three shapes: a multipart of JSON and mask, the mask alone,
the JSON alone; the mask goes from memory to the wire, once.
"""

from __future__ import annotations

import json
import shutil
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from anyio import CapacityLimiter, to_thread
from fastapi import APIRouter, File, Form, Header, UploadFile
from fastapi.responses import JSONResponse, Response
from monailabel.endpoints.user.auth import User

from sam_infer.errors import VolumeError
from sam_infer.masks.gzip_member import gzipped
from sam_infer.serving.activity import Activity
from samlabel.access import identity
from samlabel.access.callers import USER, reader_of
from samlabel.access.names import check_session_id, check_upload_name, json_object
from samlabel.access.uploads import IMAGE_SUFFIXES, allowed_suffix
from samlabel.errors import NotFoundError, RequestError
from samlabel.host.handle import RunningApp, running_app
from samlabel.routes.metrics import METRICS
from samlabel.tasks.jobs import JOBS, TrackedJob
from samlabel.wire import job_request
from samlabel.wire.reply import PREFIX, Reply

router = APIRouter()

OUTPUTS = ("all", "image", "json")

# What the request itself says, and no parameter may replace.
RESERVED = (
    "image",
    "image_id",
    "image_path",
    "model",
    "session",
    "session_id",
    "file",
    "prior",
    "save_label",
    "output",
)

MAX_THREADS = 64


@router.post("/infer/{model}", summary="Segment")
async def infer(  # noqa: PLR0913 - the host's clients decide what a request is made of
    model: str,
    image: str = "",
    session_id: str = "",
    params: str = Form("{}"),
    file: UploadFile | None = File(None),
    label: UploadFile | None = File(None),
    output: str = "all",
    accept_encoding: str = Header(""),
    user: User = USER,
) -> Response:
    """Run a model on an image of the studies, of a session, or on an upload; `label` is a mask to start from."""
    if output not in OUTPUTS:
        raise RequestError(f"output must be one of {', '.join(OUTPUTS)}, got {output!r}", "output")
    who = reader_of(user)

    def segment() -> Response:
        _activity().note()
        with identity.acting_as(who), _uploads(file, label) as (uploaded, prior):
            with METRICS.refusals(model):
                reply = _answered(model, params, (image, session_id, uploaded), prior, who)
            computed = time.perf_counter()
            response = _response(reply, output, model, "gzip" in accept_encoding)
            now = time.perf_counter()
            stages = {**reply.facts.get("latencies", {}), "pack": (now - computed) * 1000}
            METRICS.note(model, response.status_code, now - started, stages, len(response.body))
            return response

    started = time.perf_counter()
    return await to_thread.run_sync(segment, limiter=_threads())


def _answered(model: str, params: str, source: tuple[str, str, Path | None], prior: Path | None, who: str) -> Reply:
    """What the app says about what a request names: an upload, else a session, else an image of the studies."""
    given = json_object(params, "params")
    taken = next((key for key in RESERVED if key in given), None)
    if taken is not None:
        raise RequestError(f"params must not contain {taken!r}", taken)
    wanted = job_request.decode(given)
    with JOBS.tracked(TrackedJob(wanted.id, model, who, wanted.partial)) as job:
        app = running_app()
        image, session_id, uploaded = source
        kept = None if uploaded else _session_image(app, session_id)
        named = uploaded or kept or image
        with _told_of(kept):
            reply: Reply = app.answer({**given, "model": model, "image": named, "prior": prior, "job": job})
    return reply


@contextmanager
def _told_of(kept: Path | None) -> Iterator[None]:
    """The folder that the host made of a session's files has a name that says nothing to whoever sent them."""
    try:
        yield
    except VolumeError as error:
        if kept is None:
            raise
        raise VolumeError(str(error).replace(f"folder {kept.name}", "the session"), error.field) from error


@cache
def _activity() -> Activity:
    """What can wait hears that readers are at work."""
    return Activity()


@cache
def _threads() -> CapacityLimiter:
    """Clicks wait in threads of their own: however many there are, every other request finds one that is free."""
    return CapacityLimiter(MAX_THREADS)


@contextmanager
def _uploads(file: UploadFile | None, label: UploadFile | None) -> Iterator[tuple[Path | None, Path | None]]:
    """The files that came with the request, for as long as it runs."""
    if file is None and label is None:
        yield None, None
        return
    with tempfile.TemporaryDirectory(prefix=PREFIX) as folder:
        yield _stored(file, Path(folder), "file"), _stored(label, Path(folder), "label")


def _stored(upload: UploadFile | None, folder: Path, field: str) -> Path | None:
    if upload is None:
        return None
    suffix = allowed_suffix(check_upload_name(upload.filename, field), IMAGE_SUFFIXES, field)
    path = folder / f"{field}{suffix}"
    with path.open("wb") as target:
        shutil.copyfileobj(upload.file, target)
    return path


def _session_image(app: RunningApp, session_id: str) -> Path | None:
    """The image that a client uploaded earlier; an unknown session is an error, not another image."""
    if not session_id:
        return None
    sessions = app.sessions()
    known = sessions.get_session(check_session_id(session_id)) if sessions is not None else None
    if known is None:
        raise NotFoundError(
            f"there is no session {session_id}; it may have expired, upload the image again", "session_id"
        )
    return Path(known.image)


def _response(reply: Reply, output: str, name: str, takes_gzip: bool) -> Response:
    """The host's three shapes. Masks are mostly zeros: where the client takes gzip, 31 MB leave as 31 kB."""
    if output == "json":
        return JSONResponse(reply.facts)
    chunks, compressed = reply.chunks()
    headers = {"vary": "Accept-Encoding"}
    kind = "application/octet-stream"
    file = f"{name}{reply.format.suffix}"
    if output == "image":
        headers["content-disposition"] = f'attachment; filename="{file}"'
    else:
        before, after, kind = _form(reply.facts, file)
        chunks = [before, *chunks, after]
    if takes_gzip and not compressed:
        headers["content-encoding"] = "gzip"
        return Response(gzipped(chunks), headers=headers, media_type=kind)
    return Response(b"".join(chunks), headers=headers, media_type=kind)


def _form(facts: dict[str, Any], name: str) -> tuple[bytes, bytes, str]:
    """What stands before and after the mask in a multipart answer, and the answer's type."""
    boundary = uuid.uuid4().hex
    before = (
        f'--{boundary}\r\nContent-Disposition: form-data; name="params"\r\nContent-Type: application/json\r\n\r\n'
        f'{json.dumps(facts)}\r\n--{boundary}\r\nContent-Disposition: form-data; name="image"; filename="{name}"\r\n'
        "Content-Type: application/octet-stream\r\n\r\n"
    )
    return before.encode(), f"\r\n--{boundary}--\r\n".encode(), f"multipart/form-data; boundary={boundary}"
