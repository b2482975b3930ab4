"""Names instead of places: what the server answers names files, and holds no path of its machine."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from monailabel.config import settings

from sam_infer.home import default_home


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
    )
    return [
        f"{place}".rstrip("/") for path in own if str(path).startswith("/") for place in (path, Path(path).resolve())
    ]


def _named(value: Any, roots: Sequence[str]) -> Any:
    if isinstance(value, dict):
        return {key: _named(inner, roots) for key, inner in value.items()}
    if isinstance(value, list):
        return [_named(inner, roots) for inner in value]
    if isinstance(value, str) and any(root and (value == root or value.startswith(f"{root}/")) for root in roots):
        return Path(value).name
    return value
