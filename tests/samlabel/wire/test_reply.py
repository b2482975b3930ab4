"""What goes over the wire: the mask once, compressed where the client takes it and it pays."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import numpy as np
import pytest

from sam_infer.imaging.geometry import Geometry
from sam_infer.imaging.image_file import write_image
from sam_infer.imaging.volume import Volume
from tests.samlabel.conftest import Server, captured, parsed

MAX_BYTES = 200_000


def body(server: Server, output: str, encoding: str, **changes: object) -> tuple[bytes, str]:
    """The reply as it is on the wire."""
    request = captured("ohif_sam_2d", "l", foreground=[[24, 12, 13]], **changes)
    with server.client.stream(
        "POST",
        request["path"],
        params={**request["query"], "output": output},
        data={"params": json.dumps(request["params"])},
        headers={"accept-encoding": encoding},
    ) as reply:
        assert reply.status_code == 200
        assert reply.headers["vary"] == "Accept-Encoding"
        return b"".join(reply.iter_raw()), reply.headers.get("content-encoding", "")


def test_compressed_on_the_wire_or_not_the_viewer_sees_the_same(server: Server) -> None:
    raw, plain = body(server, "image", "identity")
    packed, encoding = body(server, "image", "gzip, deflate, br")
    assert (plain, encoding) == ("", "gzip")
    assert gzip.decompress(packed) == raw and len(packed) < len(raw)
    assert raw.endswith(b"\0") and len(raw.split(b"\n\n", 1)[1]) == 40 * 32 * 24


def test_a_multipart_answer_is_compressed_as_a_whole(server: Server) -> None:
    packed, encoding = body(server, "all", "gzip")
    assert encoding == "gzip"
    inflated = gzip.decompress(packed)
    assert b'name="params"' in inflated and body(server, "image", "identity")[0] in inflated


@pytest.mark.parametrize("suffix", [".nrrd", ".nii.gz"])
def test_what_is_compressed_inside_is_not_compressed_again(server: Server, suffix: str) -> None:
    _, encoding = body(server, "image", "gzip", result_extension=suffix, result_compress=True)
    assert encoding == ""


@pytest.mark.parametrize("suffix", [".nrrd", ".nii", ".nii.gz", ".mha"])
@pytest.mark.parametrize("compress", [True, False])
def test_every_format_holds_the_same_mask(server: Server, suffix: str, compress: bool, tmp_path: Path) -> None:
    from sam_infer.imaging.image_file import read_mask

    request = captured("ohif_sam_2d", "l", foreground=[[24, 12, 13]])
    wanted = server.send(request).mask(tmp_path).array
    request["params"] |= {"result_extension": suffix, "result_compress": compress}
    path = tmp_path / f"answer{suffix}"
    path.write_bytes(server.send(request).mask_bytes)
    assert wanted.any() and np.array_equal(read_mask(path).array, wanted)


def test_a_click_on_a_large_volume_is_small(server: Server) -> None:
    rng = np.random.default_rng(0)
    voxels = np.asfortranarray(rng.integers(-50, 50, (512, 512, 40), np.int16))
    write_image(Volume(voxels, Geometry(voxels.shape, np.eye(4))), server.studies / "large.nii.gz")
    server.app.datastore().refresh()
    reply = server.client.post(
        "/infer/sam_2d",
        params={"image": "large", "output": "image"},
        headers={"accept-encoding": "gzip"},
        data={"params": json.dumps({"foreground": [[200, 300, 20]], "result_compress": False})},
    )
    (server.studies / "large.nii.gz").unlink()
    assert parsed(reply).status == 200 and len(reply.content) > voxels.size
    assert int(reply.headers["content-length"]) < MAX_BYTES
