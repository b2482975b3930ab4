"""One timed request over HTTP as OHIF sends it, to the last byte of the answer."""

from __future__ import annotations

import gzip
import http.client
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

# What OHIF adds to every request: the reply is the bare NRRD, and it wants raw bytes in it.
OHIF = {"result_extension": ".nrrd", "result_dtype": "uint8", "result_compress": False, "restore_label_idx": False}

BOUNDARY = "samlabel-server-bench"
FORM = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}
TIMEOUT_S = 900.0


@dataclass(frozen=True)
class TimedReply:
    """What came back, and when."""

    seconds: float  # from sending until the last byte
    body: bytes  # as on the wire
    encoding: str

    def inflated(self) -> bytes:
        """The body as the viewer's code sees it."""
        return gzip.decompress(self.body) if self.encoding == "gzip" else self.body

    def packed_file(self) -> bytes:
        """The NRRD with gzip inside, as viewers send it back."""
        header, _, voxels = self.inflated().partition(b"\n\n")
        return header.replace(b"encoding: raw", b"encoding: gzip") + b"\n\n" + gzip.compress(voxels, 1)

    def same_mask(self, other: TimedReply) -> bool:
        """Bit by bit; equal on the wire is equal."""
        return self.body == other.body or self.inflated() == other.inflated()


class Station:
    """A viewer with one open connection, as browsers keep it."""

    def __init__(self, port: int, reader: str = "", token: str = "") -> None:
        self._reader = {"X-Samlabel-Reader": reader} if reader else {}
        if token:
            self._reader["Authorization"] = f"Bearer {token}"
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT_S)

    def __enter__(self) -> Station:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def get(self, path: str) -> TimedReply:
        """Read one of the server's addresses."""
        return self._send("GET", path)

    def click(
        self, model: str, image: str, prompts: Mapping[str, Any], output: str = "image", packed: bool = True
    ) -> TimedReply:
        """Ask for a mask; `packed` says that the viewer takes gzip, which browsers always do."""
        accepted = {"Accept-Encoding": "gzip" if packed else "identity"}
        path = f"/infer/{model}?image={image}&output={output}"
        return self._send("POST", path, _form({**prompts, **OHIF}), {**FORM, **accepted})

    def submit(self, image: str, label: bytes, name: str) -> TimedReply:
        """Accept a label: the bytes of an NRRD file, whose voxels of value 1 are called `name`."""
        told = {"label_info": [{"name": name, "idx": 1}]}
        return self._send("PUT", f"/datastore/label?image={image}&tag=final", _form(told, label), FORM)

    def _send(
        self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> TimedReply:
        started = time.perf_counter()
        self._connection.request(method, path, body, {**self._reader, **(headers or {})})
        answer = self._connection.getresponse()
        content = answer.read()
        seconds = time.perf_counter() - started
        if answer.status != http.client.OK:
            raise RuntimeError(f"{method} {path} was answered {answer.status}: {content[:300]!r}")
        return TimedReply(seconds, content, answer.headers.get("Content-Encoding", ""))


def _form(params: Mapping[str, Any], label: bytes | None = None) -> bytes:
    """A request's body: `params`, and a label map if there is one."""
    part = f"--{BOUNDARY}\r\nContent-Disposition: form-data; name="
    body = f'{part}"params"\r\n\r\n{json.dumps(params)}\r\n'.encode()
    if label is not None:
        kind = "Content-Type: application/octet-stream"
        body += f'{part}"label"; filename="label.nrrd"\r\n{kind}\r\n\r\n'.encode() + label + b"\r\n"
    return body + f"--{BOUNDARY}--\r\n".encode()
