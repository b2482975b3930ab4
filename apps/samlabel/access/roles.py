"""The table of routes and roles: who may call what, while logins are on. What stands in no row, nobody may call.

docs/http.md shows the same column, and a test goes through every route of the application: one without a row fails it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import parse_qs

from samlabel.logins.person import ADMIN, ANNOTATOR, LEAD, MACHINE, REVIEWER, USER, Person

# Before anybody is logged in.
ANYBODY = "-"

# By role, then by method; `{...}` is one part of an address, `{...:path}` the rest of it.
_ROWS: dict[str, dict[str, tuple[str, ...]]] = {
    ANYBODY: {
        "GET": ("/ready", "/health", "/login", "/login/first", "/favicon.ico", "/auth/", "/auth/oidc/callback"),
        "POST": ("/login", "/login/first", "/auth/token"),
    },
    # Or from this machine itself, without a login.
    MACHINE: {"GET": ("/metrics",)},
    USER: {
        "GET": (
            "/",
            "/docs",
            "/docs/{name}",
            "/openapi.json",
            "/ohif/{path:path}",
            "/proxy/dicom/{path:path}",
            "/auth/token/valid",
            "/login/done",
            "/login/viewer",
            "/info/",
            "/jobs/{job}",
            "/batch/infer",
            "/datastore/",
            "/datastore/image",
            "/datastore/image/info",
            "/datastore/label",
            "/datastore/label/info",
            "/session/{session_id}",
            "/labels/",
            "/labels/{case}",
            "/labels/{case}/readings",
            "/train/",
            "/train/curves",
            "/adapters/",
            "/adapters/{adapter}",
            "/scoring/",
            "/online/",
        ),
        "HEAD": ("/docs", "/openapi.json", "/datastore/image", "/datastore/label"),
        "POST": ("/logout", "/infer/{model}", "/activelearning/{strategy}"),
        "PUT": ("/session/", "/lease/"),
        "DELETE": ("/session/{session_id}", "/lease/", "/jobs/{job}"),
    },
    ANNOTATOR: {
        "POST": (
            "/proxy/dicom/{path:path}",
            "/scoring/",
            "/scoring/{method}",
            "/online/reset",
            "/online/switch",
        ),
        "PUT": (
            "/datastore/",
            "/datastore/image",
            "/datastore/image/info",
            "/datastore/label",
            "/datastore/label/info",
            "/datastore/updatelabelinfo",
        ),
        "DELETE": ("/scoring/",),
    },
    REVIEWER: {
        "GET": ("/labels/{case}/readings/{which}",),
        "POST": ("/labels/{case}/release", "/labels/{case}/withdraw", "/labels/{case}/adjudicate"),
        "DELETE": ("/datastore/label",),  # one's own draft: an annotator
    },
    LEAD: {
        "GET": ("/datastore/dataset",),
        "POST": (
            "/train/",
            "/train/{model}",
            "/batch/infer/{model}",
            "/adapters/rollback",
            "/adapters/{adapter}/promote",
        ),
        "DELETE": ("/train/", "/batch/infer", "/datastore/", "/datastore/image"),
    },
    ADMIN: {
        "GET": ("/logs/", "/logs/gpu", "/model/info/{model}", "/model/{model}"),
        # refused for everybody, with a sentence
        "POST": ("/reload", "/infer/wsi/{name}", "/infer/wsi_v2/{name}"),
        "PUT": ("/model/{name}",),
        "DELETE": ("/model/{name}",),
    },
}

# Calls that viewers make by themselves: they do not keep a session alive that nobody works in.
BY_ITSELF = {("PUT", "/lease/"), ("GET", "/jobs/{job}"), ("GET", "/train/"), ("GET", "/auth/"), ("GET", "/metrics")}

# Drafts of readers are labels of these tags; apps/ohif/src/server.js makes them.
_DRAFT, _MOST_TAG = "draft_", 64


def table() -> Iterator[tuple[str, str, str]]:
    """Every method, address and the least role for it."""
    for role, methods in _ROWS.items():
        for method, paths in methods.items():
            for path in paths:
                yield method, path, role


def shape(path: str) -> str:
    """An address without the names of its parts, so that two that mean the same are the same."""
    return re.sub(r"\{[^}:]*(:path)?\}", r"{\1}", path)


def _pattern(path: str) -> re.Pattern[str]:
    literal = re.split(r"\{\}|\{:path\}", shape(path))
    joints = ["[^/]+" if joint == "{}" else ".*" for joint in re.findall(r"\{\}|\{:path\}", shape(path))]
    return re.compile("".join(re.escape(a) + b for a, b in zip(literal, [*joints, ""], strict=True)))


_PLAIN = {(method, path): (path, role) for method, path, role in table() if "{" not in path}
# The longest first: what is more exactly said holds.
_PATTERNS = sorted(
    ((method, _pattern(path), path, role) for method, path, role in table() if "{" in path),
    key=lambda row: len(row[2].split("{")[0]),
    reverse=True,
)


def needed(method: str, path: str) -> tuple[str, str] | None:
    """The row's address and the least role of a request; None where no row fits."""
    found = _PLAIN.get((method, path))
    if found is not None:
        return found
    for known, pattern, row, role in _PATTERNS:
        if known == method and pattern.fullmatch(path):
            return row, role
    return None


def has_address(path: str) -> bool:
    """Whether any method, or a slash more or less, makes this an address of the table."""
    other = path.rstrip("/") if path.endswith("/") else f"{path}/"
    return any(
        needed(method, each) is not None
        for method in ("GET", "HEAD", "POST", "PUT", "DELETE")
        for each in (path, other)
    )


def for_drafts(method: str, row: str, role: str, query: str, person: Person) -> str:
    """The least role where the label is a reader's draft: one's own is an annotator's matter, others' a lead's."""
    if row != "/datastore/label" or method not in ("PUT", "DELETE"):
        return role
    tags = parse_qs(query).get("tag", [""])
    if not any(tag.startswith(_DRAFT) for tag in tags):
        return role
    return ANNOTATOR if tags == [draft_tag(person.name)] else LEAD


def draft_tag(name: str) -> str:
    """The tag of a reader's drafts."""
    plain = re.sub(r"[^A-Za-z0-9-]", lambda found: f"_{ord(found[0])}_", name)
    return f"{_DRAFT}{plain}"[:_MOST_TAG]
