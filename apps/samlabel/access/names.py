"""Input validation of names that could reach a file (path traversal), and of arguments that could do harm."""

from __future__ import annotations

import json
import re
import unicodedata
import uuid
from pathlib import PurePath
from typing import Any
from urllib.parse import unquote

from samlabel.errors import RequestError, UnsafeNameError

MAX_NAME_BYTES = 200

_TAG = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")

# A path that is decoded more often than this is a disguise.
MAX_DECODINGS = 3


def check_name(value: object, field: str) -> str:
    """An id or file name as one plain path component: no separators, no `..`, nothing hidden or invisible."""
    if not isinstance(value, str) or not value.strip():
        raise UnsafeNameError(f"{field} must be a name, got {value!r}", field)
    if "/" in value or "\\" in value:
        raise UnsafeNameError(f"{field} must not contain path separators, got {shown(value)}", field)
    if value.startswith((".", "~")) or value != value.strip():
        raise UnsafeNameError(f"{field} must not start with a dot, tilde or space, got {shown(value)}", field)
    if any(unicodedata.category(character).startswith("C") for character in value):
        raise UnsafeNameError(f"{field} must not contain control or invisible characters", field)
    if len(value.encode()) > MAX_NAME_BYTES:
        raise UnsafeNameError(f"{field} must be at most {MAX_NAME_BYTES} bytes long", field)
    return value


def check_tag(value: object) -> str:
    """A label's tag: letters, digits, `_` and `-`."""
    if not isinstance(value, str) or not _TAG.fullmatch(value):
        raise UnsafeNameError(f"tag must be up to 64 letters, digits, _ or -, got {shown(value)}", "tag")
    return value


def check_session_id(value: Any) -> str:
    """The id of an uploaded session: a UUID, as the host makes them."""
    return _uuid(value, "session_id")


def check_job_id(value: Any) -> str:
    """The id of a job: a UUID, as clients make them, in its usual spelling."""
    return _uuid(value, "job")


def _uuid(value: Any, field: str) -> str:
    try:
        return str(uuid.UUID(value))
    except (ValueError, AttributeError, TypeError):
        raise UnsafeNameError(f"{field} must be a UUID, got {shown(value)}", field) from None


def check_upload_name(value: str | None, field: str = "file") -> str:
    """The file name of an upload, without the client's own folders (3D Slicer sends the whole path)."""
    if not value:
        raise UnsafeNameError(f"{field} needs a file name with a suffix, such as image.nii.gz", field)
    path = PurePath(value.replace("\\", "/"))
    if ".." in path.parts:
        raise UnsafeNameError(f"{field} must not be named with '..', got {shown(value)}", field)
    return check_name(path.name, field)


def check_url_path(path: str) -> None:
    """Refuse a URL path that leaves its folder once it is decoded, however often."""
    for _ in range(MAX_DECODINGS):
        if "\0" in path or "\\" in path or ".." in path.split("/"):
            raise UnsafeNameError("the address must not contain '..', backslashes or NUL", "path")
        decoded = unquote(path)
        if decoded == path:
            return
        path = decoded
    raise UnsafeNameError("the address is encoded too often", "path")


def json_object(text: str | None, field: str) -> dict[str, Any]:
    """A form field that must hold a JSON object; empty means none."""
    if not text:
        return {}
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        at = f", from character {error.pos} on" if isinstance(error, json.JSONDecodeError) else ""
        raise RequestError(f"{field} is not valid JSON{at}", field) from None
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise RequestError(f"{field} must be a JSON object, got {type(value).__name__}", field)
    check_finite(value, field)
    return value


def check_finite(value: object, field: str) -> None:
    """Refuse NaN and infinity, which Python reads and JSON does not know: an answer that holds one cannot be sent."""
    parts = {str(key): part for key, part in value.items()} if isinstance(value, dict) else {field: value}
    for name, part in parts.items():
        try:
            json.dumps(part, allow_nan=False)
        except ValueError:
            raise RequestError(f"{name} must hold finite numbers only, no NaN and no infinity", name) from None


def shown(value: object, most: int = 80) -> str:
    """What was sent, as a refusal repeats it: cut short where it is long."""
    text = repr(value)
    return text if len(text) <= most else text[: most - 3] + "..."
