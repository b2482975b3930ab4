"""The OpenAPI document of everything that is served: ours before the host's, with refusals and what is no JSON.

The host documents its routes as if they never refused anything, and as JSON what is an image or a page. Programs that
are generated from the document, and the fuzzer of `make accept`, go by what is written here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import RouteContext, iter_route_contexts

from samlabel.access import roles, session_cookie
from samlabel.access.login_state import LOGINS
from samlabel.logins.person import MACHINE
from samlabel.routes.host import switched_off

REFUSAL = {
    "title": "Refusal",
    "type": "object",
    "required": ["detail"],
    "properties": {
        "detail": {"type": "string", "description": "What was wrong and what was expected."},
        "field": {"type": ["string", "null"], "description": "What it was wrong with."},
    },
}

# Any route may answer with these; a fault of the server itself (500) is none of them.
REASONS = {
    "400": "The body is no form, or a part of it is too large",
    "401": "Nobody is logged in",
    "403": "This page, this reader, or anybody, may not do that",
    "404": "There is no such thing",
    "405": "The address does not have this method",
    "406": "That is switched off",
    "409": "It cannot be done now",
    "413": "The request is too large",
    "422": "Something is malformed; the sentence names the field",
    "429": "A task of this kind is running already, or too many wrong passwords came from there",
    "499": "The client hung up",
    "503": "The server, the archive or the login service is busy or away",
    "507": "The disk is full",
}

IMAGE = ("application/octet-stream", "application/gzip", "image/png", "image/jpeg", "image/tiff", "text/plain")

# What answers that are no JSON are, by method and address.
CONTENT = {
    ("post", "/infer/{model}"): ("multipart/form-data", "application/octet-stream", "application/json"),
    ("get", "/logs/"): ("text/html", "text/plain"),
    ("get", "/logs/gpu"): ("text/plain",),
    ("get", "/metrics"): ("text/plain",),
    ("get", "/train/curves"): ("image/png",),
    ("get", "/datastore/image"): IMAGE,
    ("get", "/datastore/label"): IMAGE,
    ("get", "/datastore/dataset"): ("application/zip", "application/octet-stream"),
    ("get", "/session/{session_id}"): ("application/json", *IMAGE),
}

METHODS = ("get", "put", "post", "delete", "head", "patch", "options")


def document(app: FastAPI) -> dict[str, Any]:
    """The document; of two routes with one address the first one answers, and is described."""
    told: dict[str, Any] = get_openapi(title=app.title, version=app.version, routes=_answering(app))
    off = {(method.lower(), _shape(path)) for path, methods, _ in switched_off() for method in methods}
    paths: dict[str, Any] = {}
    for path, method, operation in _operations(told):
        if (method, _shape(path)) not in off:
            operation["responses"] = _responses(method, path, operation["responses"])
            operation["security"] = _security(method, path)
            paths.setdefault(path, {})[method] = operation
    told["paths"] = paths
    told.setdefault("components", {})["securitySchemes"] = _logins()
    schemas = told.setdefault("components", {}).setdefault("schemas", {})
    schemas["Refusal"] = REFUSAL
    for name in ("HTTPValidationError", "ValidationError"):  # FastAPI's own, which no client of ours gets
        schemas.pop(name, None)
    return told


def _answering(app: FastAPI) -> list[RouteContext]:
    """The routes to describe, without those that another one stands before."""
    found: list[RouteContext] = []
    seen: set[tuple[str | None, str]] = set()
    for route in iter_route_contexts(app.routes):
        keys = {(route.path_format, method) for method in route.methods or ()}
        if getattr(route, "include_in_schema", False) and not keys <= seen:
            seen |= keys
            found.append(route)
    return found


def _operations(told: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path in sorted(told["paths"]):
        for method in METHODS:
            if method in told["paths"][path]:
                yield path, method, told["paths"][path][method]


def _logins() -> dict[str, Any]:
    """The ways to say who asks, one of which is enough; none while the gate stands open."""
    if not LOGINS.on:
        return {}
    bearer = {"token": {"type": "http", "scheme": "bearer"}}
    cookie = {"session": {"type": "apiKey", "in": "cookie", "name": session_cookie.name()}}
    return bearer if LOGINS.desk is None else bearer | cookie


def _security(method: str, path: str) -> list[dict[str, list[str]]]:
    """Which logins a route asks for, one of them."""
    _, role = roles.needed(method.upper(), path) or ("", "")
    enough: list[dict[str, list[str]]] = [{name: []} for name in _logins() if role != roles.ANYBODY]
    return [{}, *enough] if enough and role == MACHINE else enough


def _responses(method: str, path: str, known: dict[str, Any]) -> dict[str, Any]:
    good = {status: answer for status, answer in known.items() if status.startswith("2")}
    kinds = CONTENT.get((method, path))
    if kinds is not None:
        good = {status: {**answer, "content": {kind: {} for kind in kinds}} for status, answer in good.items()}
    body = {"application/json": {"schema": {"$ref": "#/components/schemas/Refusal"}}}
    if method == "head":
        return {**{s: {"description": a["description"]} for s, a in good.items()}, **_refusals({})}
    return {**good, **_refusals({"content": body})}


def _refusals(content: dict[str, Any]) -> dict[str, Any]:
    return {status: {"description": reason, **content} for status, reason in REASONS.items()}


def _shape(path: str) -> str:
    """An address without the names of its parts."""
    return re.sub(r"\{[^}]*\}", "{}", path)
