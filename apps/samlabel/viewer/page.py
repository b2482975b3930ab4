"""The viewer's page, settings and style sheets, as we serve them.

Nothing of the viewer is changed on disk. Its settings name our extension and our mode, which the viewer loads at run
time; its page gets the companion's tag; fonts and style sheets from the internet, for which an isolated machine would
wait, are left out.
"""

from __future__ import annotations

import re
from functools import lru_cache

from samlabel.errors import NotFoundError
from samlabel.viewer.files import VIEWER

# The build that the companion was written for; with another one it says so.
KNOWN_BUILD = "app.bundle.af87d1dd396d277eac89.js"

SETTINGS = "app-config.js"

# Our mode goes first, so that it is the first button of a study.
_OURS = """
// samlabel: two modules that the viewer loads at run time
window.config.extensions = [...(window.config.extensions || []), '/ohif/extension.js'];
window.config.modes = ['/ohif/mode.js', ...(window.config.modes || [])];
"""

_FOREIGN = re.compile(r'<link\b[^>]*(?:href="?https?://)[^>]*>', re.IGNORECASE)
_IMPORT = re.compile(r"""@import\s+(?:url\()?["']?https?://[^;]*;""", re.IGNORECASE)


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


@lru_cache(maxsize=1)
def settings() -> str:
    """The viewer's settings, with our extension and our mode."""
    return (VIEWER / SETTINGS).read_text() + _OURS


@lru_cache(maxsize=32)
def style_sheet(path: str) -> str:
    """A style sheet of the viewer without those that it fetches from the internet."""
    return _IMPORT.sub("", (VIEWER / path).read_text())
