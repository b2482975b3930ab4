"""`/ohif/...`: the viewer's files, as they are, and its page with one script more.

The host's version answers every file in a sub-folder with the page. Nothing of the viewer is changed on disk: the page
is read, the companion's tag is put in, and style sheets from the internet, for which an isolated machine would wait,
are left out.
"""

from __future__ import annotations

import mimetypes
import re
from functools import lru_cache
from pathlib import Path

import monailabel
from fastapi import APIRouter
from fastapi.responses import FileResponse, HTMLResponse, Response

from samlabel.access.names import check_url_path
from samlabel.errors import NotFoundError
from samlabel.routes.proxy import CALLER

router = APIRouter(include_in_schema=False, dependencies=[CALLER])

VIEWER = Path(monailabel.__file__).parent / "endpoints" / "static" / "ohif"
COMPANION = Path(__file__).with_name("companion")

# The build that the companion was written for; with another one it says so.
KNOWN_BUILD = "app.bundle.af87d1dd396d277eac89.js"

_FOREIGN = re.compile(r'<link\b[^>]*(?:href="?https?://)[^>]*>', re.IGNORECASE)
_HASHED = re.compile(r"\.[0-9a-f]{16,}\.(js|css)$|^[0-9a-f]{16,}\.wasm$")


@router.get("/ohif/companion/{name}")
def companion(name: str) -> Response:
    """A part of our script."""
    if name not in {path.name for path in COMPANION.glob("*.js")}:
        raise NotFoundError("the companion has no such part", "path")
    return FileResponse(COMPANION / name, media_type="text/javascript", headers={"cache-control": "no-cache"})


@router.get("/ohif/{path:path}")
def viewer(path: str) -> Response:
    """A file of the viewer; for its own addresses, such as `/ohif/monai-label`, the page."""
    check_url_path(path)
    file = (VIEWER / path).resolve()
    if path and path != "index.html" and file.is_relative_to(VIEWER.resolve()) and file.is_file():
        kind = mimetypes.guess_type(file.name)[0] or "application/octet-stream"
        # Files with their hash in the name never change.
        life = "max-age=604800, immutable" if _HASHED.search(file.name) else "no-cache"
        return FileResponse(file, media_type=kind, headers={"cache-control": life})
    if Path(path).suffix in (".js", ".css", ".wasm", ".map", ".png", ".svg", ".json"):
        raise NotFoundError("the viewer has no such file", "path")
    return HTMLResponse(page(), headers={"cache-control": "no-cache"})


@lru_cache(maxsize=1)
def page() -> str:
    """The viewer's page with the companion in it."""
    index = VIEWER / "index.html"
    if not index.is_file():
        raise NotFoundError("this installation of monailabel has no OHIF viewer; install it from its wheel", "ohif")
    text = _FOREIGN.sub("", index.read_text())
    known = "known" if KNOWN_BUILD in text else "unknown"
    tag = f'<script type="module" src="/ohif/companion/main.js" data-build="{known}"></script>'
    return text.replace("</body>", f"{tag}</body>", 1)
