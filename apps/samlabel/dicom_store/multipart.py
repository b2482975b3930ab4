"""Writes and parses multipart/related bodies, as DICOMweb sends and receives them."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator
from email.message import Message

from samlabel.dicom_store.query import QueryError


def new_boundary() -> str:
    """A boundary that no file contains."""
    return uuid.uuid4().hex


def content_type(media_type: str, boundary: str) -> str:
    """The header of a multipart answer."""
    return f'multipart/related; type="{media_type.split(";")[0]}"; boundary={boundary}'


def write(parts: Iterable[Iterable[bytes]], media_type: str, boundary: str) -> Iterator[bytes]:
    """The body, part by part; a part is an iterable of chunks."""
    for chunks in parts:
        yield f"--{boundary}\r\nContent-Type: {media_type}\r\n\r\n".encode()
        yield from chunks
        yield b"\r\n"
    yield f"--{boundary}--\r\n".encode()


def parameters(header: str) -> tuple[str, dict[str, str]]:
    """Media type and parameters of a Content-Type header, in lower case except for the boundary."""
    message = Message()
    message["Content-Type"] = header
    found = message.get_params(failobj=[]) or [("", "")]
    return found[0][0].lower(), {key.lower(): str(value) for key, value in found[1:]}


def read(body: bytes, boundary: str) -> list[bytes]:
    """The parts' contents; headers of parts are not needed here."""
    delimiter = b"--" + boundary.encode()
    pieces = (b"\r\n" + body).split(b"\r\n" + delimiter)
    if len(pieces) < 2 or not pieces[-1].startswith(b"--"):
        raise QueryError("the body is no complete multipart message with the boundary of its header")
    contents = []
    for piece in pieces[1:-1]:
        # What follows the delimiter is the end of its line, then headers, an empty line and the content.
        head, separator, content = piece.partition(b"\r\n\r\n")
        if not separator:
            raise QueryError("a part of the multipart message has no headers")
        del head
        contents.append(content)
    return contents
