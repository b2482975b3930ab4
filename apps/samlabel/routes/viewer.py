"""`/ohif/...`: static files of the OHIF viewer, its page and settings with our extension in them, and the extension.

The host's version answers every file in a sub-folder with the page.
"""

from __future__ import annotations

from pathlib import Path

from fastapi import APIRouter
from fastapi.responses import FileResponse, HTMLResponse, Response

from samlabel.access.callers import USER
from samlabel.access.names import check_url_path
from samlabel.errors import NotFoundError
from samlabel.viewer.files import cache_control, extension_file, extension_paths, media_type, viewer_file, viewer_folder
from samlabel.viewer.page import SETTINGS, loading_script, page, settings, style_sheet

router = APIRouter(include_in_schema=False, dependencies=[USER])

FRESH = {"cache-control": "no-cache"}
SCRIPT = "text/javascript"


@router.get("/ohif/{path:path}")
def viewer(path: str) -> Response:
    """A module of our extension or a file of the viewer; for its own addresses, such as `/ohif/samlabel`, the page."""
    check_url_path(path)
    module = extension_file(path)
    if module is not None:
        return FileResponse(module, media_type=SCRIPT, headers=FRESH)
    folder = viewer_folder()
    if path == SETTINGS:
        return Response(settings(folder), media_type=SCRIPT, headers=FRESH)
    file = viewer_file(folder, path)
    if file is not None:
        return _viewer_file(file)
    if Path(path).suffix in (".js", ".css", ".wasm", ".map", ".png", ".svg", ".json"):
        raise NotFoundError("the viewer has no such file", "path")
    return HTMLResponse(page(folder), headers=FRESH)


def open_paths() -> list[str]:
    """Addresses of our extension's modules: its two entries, and what these import."""
    return [f"/ohif/{path}" for path in extension_paths()]


def _viewer_file(file: Path) -> Response:
    """Style sheets without the internet, scripts with our address, everything else as it is."""
    headers = {"cache-control": cache_control(file)}
    if file.suffix == ".css":
        return Response(style_sheet(file), media_type="text/css", headers=headers)
    if file.suffix == ".js" and (script := loading_script(file)) is not None:
        return Response(script, media_type=SCRIPT, headers=headers)
    return FileResponse(file, media_type=media_type(file), headers=headers)
