"""Pages for people: the start page, the API reference and the log, with all that they need served by this server.

The host's pages load their scripts from the internet, which many hospitals do not have.
"""

from __future__ import annotations

import html
from collections import deque
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.responses import FileResponse, HTMLResponse, PlainTextResponse, Response
from monailabel.config import settings

from samlabel.access.callers import ADMIN
from samlabel.access.html_page import html_page
from samlabel.access.identity import current_person
from samlabel.access.login_state import LOGINS, OPEN
from samlabel.errors import NotFoundError, RequestError
from samlabel.host.places import without_places

router = APIRouter(include_in_schema=False)

SCRIPTS = ("swagger-ui-bundle.js", "swagger-ui.css", "favicon.png")
MOST_LINES = 10_000
FASTEST_S = 3  # between two pictures of the log

_PLACES = (
    ("/ohif/", "Viewer", "studies and the panel to annotate them, in OHIF"),
    ("/docs", "API reference", "every route with its parameters and answers, to try out"),
    ("/openapi.json", "OpenAPI", "the same for programs"),
    ("/info/", "Server", "models, labels, strategies and how many cases are labelled, as clients ask for it"),
    ("/labels/", "Labels", "every accepted label and how it came about"),
    ("/adapters/", "Adapters", "what was learned, how it was judged, which one serves"),
    ("/train/", "Training", "the one that runs, or the last one"),
    ("/ready", "Health", "whether this server answers"),
    ("/metrics", "Metrics", "times, caches, queue and memory, for Prometheus"),
    ("/logs/", "Log", "the last lines of the server's log"),
)


@router.get("/")
def start() -> HTMLResponse:
    """What there is on this server."""
    rows = "".join(f'<tr><td><a href="{path}">{name}</a></td><td>{told}</td></tr>' for path, name, told in _PLACES)
    about = f"<p>samlabel {version('samlabel')}: Segment Anything for radiology, on MONAI Label.</p>"
    first = '<p><a class="first" href="/ohif/">Open the viewer</a></p>'
    slicer = "<p>3D Slicer connects to the address of this page.</p>"
    return HTMLResponse(html_page("samlabel", f"{about}{first}{_login()}<table>{rows}</table>{slicer}"))


def _login() -> str:
    """Who is logged in, with a way out; where nobody has to be, and others may come, a warning."""
    person = current_person()
    if person is not None and person.source != "realm":
        out = '<form method="post" action="/logout"><button>Log out</button></form>'
        return f"<p>You are {html.escape(person.name)} ({person.role}).</p>{out}"
    if LOGINS.on or not LOGINS.open_to_others:
        return ""
    return f'<p role="alert"><b>{html.escape(OPEN)}.</b></p>'


@router.get("/docs")
def reference() -> HTMLResponse:
    """The API reference, with scripts from here."""
    return get_swagger_ui_html(
        openapi_url="/openapi.json",
        title="samlabel: API reference",
        swagger_js_url="/docs/swagger-ui-bundle.js",
        swagger_css_url="/docs/swagger-ui.css",
        swagger_favicon_url="/docs/favicon.png",
        swagger_ui_parameters={"defaultModelsExpandDepth": -1},
    )


@router.get("/docs/{name}")
def script(name: str) -> FileResponse:
    """A script or style sheet of the API reference."""
    if name not in SCRIPTS:
        raise NotFoundError("the API reference has no such file", "name")
    return FileResponse(str(files("fastapi_offline") / "static" / name))


@router.get("/logs/", dependencies=[ADMIN])
def log(
    lines: int = 300, page: Annotated[bool, Query(alias="html")] = True, text: bool = False, refresh: int = 0
) -> Response:
    """The last lines of the server's log: a page, or plain text; drawn again every few seconds on request."""
    if not 1 <= lines <= MOST_LINES:
        raise RequestError(f"lines must be from 1 to {MOST_LINES}, got {lines}", "lines")
    file = Path(settings.MONAI_LABEL_APP_DIR) / "logs" / "app.log"
    if not file.is_file():
        raise NotFoundError("this server writes no log file; look at the terminal or service that it runs in", "lines")
    with file.open(errors="replace") as stream:
        last = "".join(deque(stream, lines))
    last = without_places(f"\n{last}")[1:]  # within a text: what begins with a path would become its last name
    if text or not page:
        return PlainTextResponse(last)
    return HTMLResponse(_log_page(last), headers={"refresh": str(max(refresh, FASTEST_S))} if refresh > 0 else {})


def _log_page(text: str) -> str:
    again = '<p><a href="?refresh=5">Follow</a> · <a href="?text=true">as text</a> · <a href="/">Start</a></p>'
    return html_page("samlabel: log", f"{again}<pre>{html.escape(text)}</pre>")
