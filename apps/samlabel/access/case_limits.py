"""Cases that somebody does not see: which one a request names, and answers without those that are others'."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs

from samlabel.logins.projects import Seen

# Parameters that name a case, wherever they stand.
NAMES = ("image", "id", "label")

# What somebody who sees a part may not ask, as the answer is about the whole, or the case is nowhere yet.
WHOLE = {
    ("PUT", "/datastore/"),
    ("PUT", "/datastore/image"),
    ("POST", "/scoring/"),
    ("POST", "/scoring/{method}"),
    ("DELETE", "/scoring/"),
    ("GET", "/scoring/"),
    ("GET", "/batch/infer"),
    ("GET", "/adapters/{adapter}"),
}
_LABELS, _READINGS = "/labels/{case}", "/readings"
_PROXY, _DATASTORE = "/proxy/dicom/{path:path}", "/datastore/"

STUDY_UID = "0020000D"


def refused(method: str, row: str, path: str, query: str, seen: Seen) -> str:
    """Why somebody who sees a part of the cases may not ask this; empty where they may."""
    asked = parse_qs(query, keep_blank_values=True)
    if (method, row) in WHOLE or (row == _DATASTORE and "train" in asked.get("output", [])):
        return "this is about cases of other projects too"
    named = [value for name in NAMES for value in asked.get(name, []) if value]
    if row in (_LABELS, _LABELS + _READINGS):
        named.append(path.removeprefix("/labels/").removesuffix(row.removeprefix(_LABELS)))
    unseen = [name for name in named if name not in seen.images]
    if row == _PROXY:
        unseen += _unseen_studies(path, asked, seen)
    return f"there is no case {unseen[0][:80]!r} in your projects" if unseen else ""


def _unseen_studies(path: str, asked: Mapping[str, list[str]], seen: Seen) -> list[str]:
    """Studies in an address of DICOMweb; an instance or series is asked for within its study, or in a search."""
    parts = path.removeprefix("/proxy/dicom/").split("/")
    parts = parts[1:] if parts[0] in ("qido", "wado", "stow") else parts
    named = parts[1:2] if parts[0] == "studies" else []
    if parts[0] != "studies" and len(parts) > 1:
        return [parts[1]]  # without its study nobody can say whose it is
    return [name for name in named if name and name not in seen.studies]


def searched(content: bytes, seen: Seen) -> bytes:
    """The answer to a search of an archive, without studies of others; what cannot be read is nothing."""
    try:
        found = json.loads(content or b"[]")
    except ValueError:
        return b"[]"
    entries = [entry for entry in found if isinstance(entry, dict)] if isinstance(found, list) else []
    return json.dumps([entry for entry in entries if _study(entry) in seen.studies]).encode()


def _study(entry: Mapping[str, Any]) -> str:
    values = entry.get(STUDY_UID, {}).get("Value") or [""]
    return str(values[0])


def without_unseen(name: str, answer: Any, seen: Seen) -> Any:
    """An answer of the host without what is others'; `name` is the host's name of the route."""
    if not isinstance(answer, dict):
        return answer
    if name == "api_datastore" and isinstance(answer.get("objects"), dict):
        return {**answer, "objects": {key: told for key, told in answer["objects"].items() if key in seen.images}}
    if name == "api_app_info" and seen.labels is not None:
        return {**answer, "labels": [label for label in answer.get("labels", []) if label in seen.labels]}
    return answer
