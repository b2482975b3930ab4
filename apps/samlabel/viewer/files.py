"""Static files of the viewer: the OHIF build inside the host's package, our extension, and our companion script."""

from __future__ import annotations

import mimetypes
import re
from pathlib import Path

import monailabel

VIEWER = Path(monailabel.__file__).parent / "endpoints" / "static" / "ohif"
COMPANION = Path(__file__).with_name("companion")
EXTENSION = Path(__file__).with_name("ohif")

_HASHED = re.compile(r"\.[0-9a-f]{16,}\.(js|css)$|^[0-9a-f]{16,}\.wasm$")


def viewer_file(path: str) -> Path | None:
    """A file of the viewer; None where the address is one of the viewer's own pages."""
    file = (VIEWER / path).resolve()
    here = path and path != "index.html" and file.is_relative_to(VIEWER.resolve()) and file.is_file()
    return file if here else None


def companion_file(name: str) -> Path | None:
    """A part of our script, by its name."""
    return COMPANION / name if name in {path.name for path in COMPANION.glob("*.js")} else None


def extension_file(path: str) -> Path | None:
    """A module of our extension, by its place in it."""
    file = EXTENSION / path
    return file if file in set(EXTENSION.rglob("*.js")) else None


def media_type(file: Path) -> str:
    """What a file is, by its suffix."""
    return mimetypes.guess_type(file.name)[0] or "application/octet-stream"


def cache_control(file: Path) -> str:
    """Files with their hash in the name never change."""
    return "max-age=604800, immutable" if _HASHED.search(file.name) else "no-cache"
