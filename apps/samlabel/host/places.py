"""Names instead of places: what the server answers names files, and holds no path of its machine."""

from __future__ import annotations

import re
import sys
import tempfile
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from monailabel.config import settings

from sam_infer.home import default_home

# Where programs lie, as tracebacks in the log of a task tell.
CODE = (Path(__file__).parents[3], sys.prefix, sys.base_prefix)


def without_places(answer: Any) -> Any:
    """The same answer with file names where there were paths of this machine; what is no JSON is left as it is."""
    return _named(answer, _roots())


def _roots() -> Sequence[str]:
    """Where this server keeps anything, as it may be written."""
    own = (
        settings.MONAI_LABEL_STUDIES,
        settings.MONAI_LABEL_SESSION_PATH,
        settings.MONAI_LABEL_APP_DIR,
        settings.MONAI_LABEL_DICOMWEB_CACHE_PATH,
        default_home(),
        Path.home(),
        tempfile.gettempdir(),
        *CODE,
    )
    given = [path for path in own if str(path).startswith("/")]
    places = {str(place).rstrip("/") for path in given for place in (path, Path(path).resolve())}
    return sorted(places - {""}, key=len, reverse=True)


def _named(value: Any, roots: Sequence[str]) -> Any:
    """Taken at once: the host's own thread goes on writing into what it answered, e.g. a task that begins."""
    if isinstance(value, dict):
        return {key: _named(inner, roots) for key, inner in list(value.items())}
    if isinstance(value, list | tuple | deque):
        return [_named(inner, roots) for inner in list(value)]
    return _text(value, roots) if isinstance(value, str) else value


def _text(value: str, roots: Sequence[str]) -> str:
    """A path becomes its last name; of one within a longer text, a line of a log, what lies below our folders stays."""
    if any(value == root or value.startswith(f"{root}/") for root in roots):
        return Path(value).name
    for root in roots:
        value = re.sub(rf"(?<![\w.-]){re.escape(root)}(?![\w-])", Path(root).name, value.replace(f"{root}/", ""))
    return value
