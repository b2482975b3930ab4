"""The viewer's page, with our companion script injected.

Nothing of the viewer is changed on disk: the page is read, the companion's tag is put in, and style sheets from the
internet, for which an isolated machine would wait, are left out.
"""

from __future__ import annotations

import re
from functools import lru_cache

from samlabel.errors import NotFoundError
from samlabel.viewer.files import VIEWER

# The build that the companion was written for; with another one it says so.
KNOWN_BUILD = "app.bundle.af87d1dd396d277eac89.js"

_FOREIGN = re.compile(r'<link\b[^>]*(?:href="?https?://)[^>]*>', re.IGNORECASE)


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
