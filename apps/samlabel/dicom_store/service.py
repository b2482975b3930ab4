"""DICOMweb service: search, retrieve and store (QIDO, WADO, STOW) under `/dicom-web`, and `/health`.

Handlers are plain functions, so they run in worker threads; the index has its own lock. Uploads alone are read on the
event loop, chunk by chunk. Answers are compressed only when the caller asks for it, and only where that helps (JSON).
"""

from __future__ import annotations

import gzip
import hashlib
import json
from collections.abc import Iterable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any

from fastapi import Depends, FastAPI, HTTPException, Query, Request
from fastapi.responses import JSONResponse, Response, StreamingResponse
from pydicom import dcmread
from starlette.concurrency import run_in_threadpool
from starlette.middleware.trustedhost import TrustedHostMiddleware

from samlabel.dicom_store import arrivals, frames, multipart
from samlabel.dicom_store.index import CHARACTER_SET, Index, Instance
from samlabel.dicom_store.query import Query as Search
from samlabel.dicom_store.query import QueryError, search

ROOT = "/dicom-web"
DICOM, DICOM_JSON = "application/dicom", "application/dicom+json"

# Only this machine, and only under its own name: a web page elsewhere cannot reach the store by renaming it.
HOSTS = ["127.0.0.1", "localhost"]

CHUNK_BYTES = 1 << 20
MAX_UPLOAD_BYTES = 1 << 30
GZIP_FROM_BYTES = 2048
THUMBNAIL_PIXELS = 128
MAX_FRAMES_LISTED = 10_000

STUDY = "/studies/{study}"
SERIES = STUDY + "/series/{series}"
INSTANCE = SERIES + "/instances/{sop}"


def digest_of(folder: Path) -> str:
    """Tells one folder from another without naming it."""
    return hashlib.sha256(str(folder.resolve()).encode()).hexdigest()


class Archive:
    """The index of a folder and what the handlers read from its files."""

    def __init__(self, folder: Path, max_upload_bytes: int = MAX_UPLOAD_BYTES) -> None:
        self.index = Index(folder)
        self.max_upload_bytes = max_upload_bytes

    def found(self, study: str, series: str | None = None, sop: str | None = None) -> list[Instance]:
        """The instances at an address; 404 when there are none."""
        instances = self.present(study, series, sop)
        if not instances:
            raise HTTPException(404, "no such study, series or instance in this archive")
        return instances

    def present(self, study: str | None = None, series: str | None = None, sop: str | None = None) -> list[Instance]:
        """The instances at an address whose files are there now: the index may be a moment older."""
        return [instance for instance in self.index.instances(study, series, sop) if instance.path.exists()]

    def store(self, body: bytes, boundary: str, study: str | None, root: str) -> tuple[int, dict[str, Any]]:
        """Keep the parts of an upload: the status and the answer."""
        known = {instance.value("SOPInstanceUID"): instance.path for instance in self.index.instances()}
        parts = multipart.read(body, boundary)
        outcomes = [arrivals.store(part, self.index.folder, study, known) for part in parts]
        self.index.refresh(force=True)
        kept = sum(outcome.reason is None for outcome in outcomes)
        status = 200 if kept and kept == len(outcomes) else 202 if kept else 409
        return status, arrivals.answer(outcomes, root)


def create_app(folder: Path, max_upload_bytes: int = MAX_UPLOAD_BYTES) -> FastAPI:
    """The application over a folder."""
    app = FastAPI(title="samlabel DICOM store", openapi_url=None, docs_url=None, redoc_url=None)
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=HOSTS)
    app.state.archive = Archive(folder, max_upload_bytes)
    app.add_exception_handler(QueryError, lambda _, error: JSONResponse({"detail": str(error)}, 400))
    app.add_exception_handler(frames.FrameError, lambda _, error: JSONResponse({"detail": str(error)}, 404))
    app.add_exception_handler(
        FileNotFoundError, lambda _, __: JSONResponse({"detail": "this file was deleted a moment ago"}, 404)
    )
    app.get("/health")(health)
    for path in ("/studies", "/series", "/instances", STUDY + "/series", STUDY + "/instances", SERIES + "/instances"):
        app.get(ROOT + path)(find)
    for path in (STUDY, SERIES, INSTANCE):
        app.get(ROOT + path + "/metadata")(metadata)
        app.get(ROOT + path + "/thumbnail")(thumbnail)
        app.get(ROOT + path)(retrieve)
    app.get(ROOT + INSTANCE + "/frames/{numbers}")(instance_frames)
    app.get(ROOT + INSTANCE + "/rendered")(rendered)
    app.get(ROOT + INSTANCE + "/frames/{number}/rendered")(rendered)
    app.post(ROOT + "/studies")(receive)
    app.post(ROOT + STUDY)(receive)
    return app


def archive_of(request: Request) -> Archive:
    """The archive of the application that a request came to."""
    archive: Archive = request.app.state.archive
    return archive


OfApp = Annotated[Archive, Depends(archive_of)]


def health(archive: OfApp) -> dict[str, Any]:
    """Whether the store answers, and how much it holds."""
    return {"status": "ok", "instances": len(archive.index.instances()), "folder": digest_of(archive.index.folder)}


def find(request: Request, archive: OfApp) -> Response:
    """Search at the level that the address ends with."""
    level = request.url.path.rsplit("/", 1)[1]
    instances = archive.present(request.path_params.get("study"), request.path_params.get("series"))
    found = search(instances, level, Search.parse(request.query_params.multi_items()), _root(request), _header)
    return _json_text(request, json.dumps(found, separators=(",", ":")))


def metadata(
    request: Request, archive: OfApp, study: str, series: str | None = None, sop: str | None = None
) -> Response:
    """All attributes but the pixels."""
    texts = [_metadata(instance.path, instance.stamp) for instance in archive.found(study, series, sop)]
    return _json_text(request, f"[{','.join(texts)}]")


def retrieve(
    request: Request, archive: OfApp, study: str, series: str | None = None, sop: str | None = None
) -> Response:
    """Whole files, in the transfer syntax they are stored in."""
    instances = archive.found(study, series, sop)
    if sop and "multipart" not in request.headers.get("accept", "") and DICOM in request.headers.get("accept", ""):
        return StreamingResponse(_chunks(instances[0].path), media_type=DICOM)
    return _parts(map(_chunks, (instance.path for instance in instances)), DICOM)


def instance_frames(archive: OfApp, study: str, series: str, sop: str, numbers: str) -> Response:
    """Frames as stored; several are separated by commas."""
    instance = archive.found(study, series, sop)[0]
    listed = numbers.split(",")
    if len(listed) > MAX_FRAMES_LISTED or not all(number.isdecimal() and len(number) < 9 for number in listed):
        raise HTTPException(400, f"frames are whole numbers from 1, separated by commas; got {numbers[:40]!r}")
    data = frames.read_frames(instance, [int(number) for number in listed])
    return _parts(([frame] for frame in data), frames.frame_media_type(instance))


def rendered(
    request: Request,
    archive: OfApp,
    sop: str,
    number: int = 1,
    window: Annotated[str, Query(max_length=64)] = "",
    viewport: Annotated[str, Query(max_length=64)] = "",
) -> Response:
    """A picture of a frame; `window=centre,width,...`, `viewport=width,height`."""
    instance = archive.found(request.path_params["study"], request.path_params["series"], sop)[0]
    shown, sides = _numbers(window, "window"), _numbers(viewport, "viewport")
    size = int(max(sides)) if sides else None
    return _picture(request, instance, number, (shown[0], shown[1]) if len(shown) > 1 else None, size)


def thumbnail(
    request: Request, archive: OfApp, study: str, series: str | None = None, sop: str | None = None
) -> Response:
    """A small picture of the instance in the middle."""
    instances = archive.found(study, series, sop)
    return _picture(request, instances[len(instances) // 2], 1, None, THUMBNAIL_PIXELS)


async def receive(request: Request, archive: OfApp) -> Response:
    """Store the DICOM files of a multipart message."""
    kind, parameters = multipart.parameters(request.headers.get("content-type", ""))
    if kind != "multipart/related" or parameters.get("type", DICOM).lower() != DICOM or not parameters.get("boundary"):
        raise HTTPException(415, f'uploads are multipart/related; type="{DICOM}"; boundary=..., got {kind[:80]!r}')
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > archive.max_upload_bytes:
            raise HTTPException(413, f"an upload may have {archive.max_upload_bytes >> 20} MiB at most")
    study = request.path_params.get("study")
    status, told = await run_in_threadpool(archive.store, bytes(body), parameters["boundary"], study, _root(request))
    return Response(json.dumps(told), status, media_type=DICOM_JSON)


def _root(request: Request) -> str:
    return str(request.base_url).rstrip("/") + ROOT


def _header(instance: Instance) -> dict[str, Any]:
    header: dict[str, Any] = json.loads(_metadata(instance.path, instance.stamp))
    return header


@lru_cache(maxsize=4096)
def _metadata(path: Path, stamp: tuple[int, int]) -> str:
    """The attributes of a file as JSON text; `stamp` makes a changed file another one."""
    header = dcmread(path, stop_before_pixels=True).to_json_dict(suppress_invalid_tags=True)
    header[CHARACTER_SET] = {"vr": "CS", "Value": ["ISO_IR 192"]}
    return json.dumps(dict(sorted(header.items())), separators=(",", ":"))


def _json_text(request: Request, text: str) -> Response:
    content, headers = text.encode(), {"Vary": "Accept-Encoding"}
    if len(content) >= GZIP_FROM_BYTES and "gzip" in request.headers.get("accept-encoding", ""):
        content, headers = gzip.compress(content, compresslevel=1), {**headers, "Content-Encoding": "gzip"}
    return Response(content, headers=headers, media_type=DICOM_JSON)


def _parts(parts: Iterable[Iterable[bytes]], media_type: str) -> StreamingResponse:
    boundary = multipart.new_boundary()
    return StreamingResponse(
        multipart.write(parts, media_type, boundary), media_type=multipart.content_type(media_type, boundary)
    )


def _chunks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            yield chunk


def _picture(
    request: Request, instance: Instance, number: int, window: tuple[float, float] | None, size: int | None
) -> Response:
    kind = "png" if "image/png" in request.headers.get("accept", "") else "jpeg"
    return Response(frames.render(instance, number, kind, window, size), media_type=f"image/{kind}")


def _numbers(text: str, name: str) -> list[float]:
    try:
        return [float(part) for part in text.split(",") if part and part.lower() not in ("linear", "linear-exact")]
    except ValueError:
        raise HTTPException(400, f"{name} must be numbers separated by commas, got {text!r}") from None
