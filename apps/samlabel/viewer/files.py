"""Static files of the viewer that is served, and of our extension."""

from __future__ import annotations

import mimetypes
import re
from pathlib import Path

import monailabel

from samlabel.viewer.installed import served_viewer

VIEWER = Path(monailabel.__file__).parent / "endpoints" / "static" / "ohif"
EXTENSION = Path(__file__).with_name("ohif")

_HASHED = re.compile(r"\.[0-9a-f]{16,}\.(js|css)$|^[0-9a-f]{16,}\.(wasm|woff2)$")


def viewer_folder() -> Path:
    """Where the viewer that is served lies: one that was added, else the build inside the host's package."""
    return served_viewer() or VIEWER


def viewer_file(folder: Path, path: str) -> Path | None:
    """A file of a viewer; None where the address is one of the viewer's own pages."""
    file = (folder / path).resolve()
    here = path and path != "index.html" and file.is_relative_to(folder.resolve()) and file.is_file()
    return file if here else None


def extension_file(path: str) -> Path | None:
    """A module of our extension, by its place in it."""
    file = EXTENSION / path
    return file if file in set(EXTENSION.rglob("*.js")) else None


def extension_paths() -> list[str]:
    """The places of our extension's modules in it."""
    return sorted(file.relative_to(EXTENSION).as_posix() for file in EXTENSION.rglob("*.js"))


def media_type(file: Path) -> str:
    """What a file is, by its suffix."""
    return mimetypes.guess_type(file.name)[0] or "application/octet-stream"


def cache_control(file: Path) -> str:
    """Files with their hash in the name never change."""
    return "max-age=604800, immutable" if _HASHED.search(file.name) else "no-cache"
