"""One request as OHIF sends it, timed to the last byte."""

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

BOUNDARY = "samlabel-stopwatch"
TIMEOUT_S = 900.0


@dataclass(frozen=True)
class Reply:
    """What came back, and when."""

    seconds: float  # from sending until the last byte
    body: bytes  # as on the wire
    encoding: str

    def inflated(self) -> bytes:
        """The body as the viewer's code sees it."""
        return gzip.decompress(self.body) if self.encoding == "gzip" else self.body

    def same_mask(self, other: Reply) -> bool:
        """Bit by bit; equal on the wire is equal."""
        return self.body == other.body or self.inflated() == other.inflated()


class Station:
    """A viewer with one open connection, as browsers keep it."""

    def __init__(self, port: int, reader: str = "") -> None:
        self._reader = {"X-Samlabel-Reader": reader} if reader else {}
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT_S)

    def __enter__(self) -> Station:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def get(self, path: str) -> Reply:
        """Read one of the server's addresses."""
        return self._send("GET", path)

    def click(
        self, model: str, image: str, prompts: Mapping[str, Any], output: str = "image", packed: bool = True
    ) -> Reply:
        """Ask for a mask; `packed` says that the viewer takes gzip, which browsers always do."""
        part = 'Content-Disposition: form-data; name="params"'
        body = f"--{BOUNDARY}\r\n{part}\r\n\r\n{json.dumps({**prompts, **OHIF})}\r\n--{BOUNDARY}--\r\n"
        headers = {
            "Content-Type": f"multipart/form-data; boundary={BOUNDARY}",
            "Accept-Encoding": "gzip" if packed else "identity",
        }
        return self._send("POST", f"/infer/{model}?image={image}&output={output}", body.encode(), headers)

    def _send(
        self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> Reply:
        started = time.perf_counter()
        self._connection.request(method, path, body, {**self._reader, **(headers or {})})
        answer = self._connection.getresponse()
        content = answer.read()
        seconds = time.perf_counter() - started
        if answer.status != http.client.OK:
            raise RuntimeError(f"{method} {path} was answered {answer.status}: {content[:300]!r}")
        return Reply(seconds, content, answer.headers.get("Content-Encoding", ""))
