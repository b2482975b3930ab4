"""`/ohif/...`: static files of the OHIF viewer, as they are, and its page with one script more.

The host's version answers every file in a sub-folder with the page.
"""

from __future__ import annotations

from pathlib import Path

from fastapi import APIRouter
from fastapi.responses import FileResponse, HTMLResponse, Response

from samlabel.access.callers import USER
from samlabel.access.names import check_url_path
from samlabel.errors import NotFoundError
from samlabel.viewer.files import cache_control, companion_file, media_type, viewer_file
from samlabel.viewer.page import page

router = APIRouter(include_in_schema=False, dependencies=[USER])


@router.get("/ohif/companion/{name}")
def companion(name: str) -> Response:
    """A part of our script."""
    file = companion_file(name)
    if file is None:
        raise NotFoundError("the companion has no such part", "path")
    return FileResponse(file, media_type="text/javascript", headers={"cache-control": "no-cache"})


@router.get("/ohif/{path:path}")
def viewer(path: str) -> Response:
    """A file of the viewer; for its own addresses, such as `/ohif/monai-label`, the page."""
    check_url_path(path)
    file = viewer_file(path)
    if file is not None:
        return FileResponse(file, media_type=media_type(file), headers={"cache-control": cache_control(file)})
    if Path(path).suffix in (".js", ".css", ".wasm", ".map", ".png", ".svg", ".json"):
        raise NotFoundError("the viewer has no such file", "path")
    return HTMLResponse(page(), headers={"cache-control": "no-cache"})
