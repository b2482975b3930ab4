"""What a server process answers first, whoever started it: asked as the Slicer client asks, with nothing but Python."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from sam_infer.imaging.image_file import read_mask
from tests.processes import HANG_S


def call(address: str, data: bytes | None = None, kind: str = "application/json", **headers: str) -> tuple[int, bytes]:
    request = urllib.request.Request(address, data, {"content-type": kind, **headers})
    try:
        with urllib.request.urlopen(request, timeout=HANG_S) as reply:
            return reply.status, reply.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


def form(params: dict[str, Any]) -> tuple[bytes, str]:
    """A multipart form as the Slicer client writes it."""
    limit = "----------lImIt_of_THE_fIle_eW_$"
    body = f'--{limit}\r\nContent-Disposition: form-data; name="params"\r\n\r\n{json.dumps(params)}\r\n--{limit}--\r\n'
    return body.encode(), f"multipart/form-data; boundary={limit}"


def check_answers(address: str, case: str, voxel: tuple[int, int, int], folder: Path) -> tuple[int, ...]:
    """One click is answered, bad questions and strange pages are refused; the shape of the click's mask."""
    click = {"foreground": [list(voxel)]}
    body, kind = form({**click, "result_compress": False, "result_extension": ".nrrd"})
    status, mask = call(f"{address}/infer/sam_2d?image={case}&output=image", body, kind)
    assert status == 200, mask
    (folder / "mask.nrrd").write_bytes(mask)
    for target, params, expected in (
        (f"sam_2d?image={case}", {}, 422),
        (f"sam_2d?image=../{case}", click, 422),
        (f"sam_2d?image={case}", {**click, "label": "third"}, 422),
        (f"nothing?image={case}", click, 404),
    ):
        body, kind = form(params)
        status, text = call(f"{address}/infer/{target}", body, kind)
        assert (status, len(json.loads(text)["detail"]) > 15) == (expected, True)
    body, kind = form(click)
    assert call(f"{address}/infer/sam_2d?image={case}", body, kind, Origin="http://evil.example")[0] == 403
    assert call(f"{address}/reload", b"{}")[0] == 405
    return read_mask(folder / "mask.nrrd").array.shape
