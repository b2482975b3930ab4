"""A slice is encoded once: for ten clicks, across a restart, for eight readers at the same moment."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.processes import wait_until
from tests.samlabel.conftest import Server, captured

CLICKS = [[20 + i, 12, 11] for i in range(10)]

# The automatic window follows what is clicked on; here nothing but the clicks may matter.
STEADY = {"zoom": False, "window": "soft_tissue"}


def test_ten_clicks_encode_once_and_a_restart_not_at_all(server: Server) -> None:
    network = server.restart()
    for count in range(1, 11):
        answer = server.send(captured("slicer_sam_2d", "l", foreground=CLICKS[:count], slice=11, **STEADY))
        assert answer.status == 200
    assert network.encodes == 1
    restarted = server.restart(network.encoder_id)
    assert server.send(captured("ohif_sam_2d", "l", foreground=CLICKS, **STEADY)).status == 200
    assert restarted.encodes == 0


def test_with_zoom_every_crop_is_encoded_once(server: Server) -> None:
    network = server.restart()
    requests = [captured("slicer_sam_2d", "l", foreground=[[24, 12, 10]], slice=10) for _ in range(5)]
    crops = {str(server.send(request).facts["crop"]) for request in requests}
    assert 1 <= network.encodes <= 2 and len(crops) == 1


def test_eight_readers_on_one_new_slice_encode_once(server: Server) -> None:
    network = server.restart()
    network.permits = threading.Semaphore(0)
    request = captured("slicer_sam_2d", "l", foreground=[[24, 12, 9]], slice=9, **STEADY)
    with ThreadPoolExecutor(8) as pool:
        asked = [pool.submit(server.send, request) for _ in range(8)]
        wait_until(lambda: server.app.serving.in_flight.shared == 7, "eight readers wait", every_s=0.01)
        network.permits.release()
        answers = [one.result() for one in asked]
    assert [answer.status for answer in answers] == [200] * 8
    assert len({answer.mask_bytes for answer in answers}) == 1
    assert network.encodes == 1


def test_the_same_image_under_another_name_is_known(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """To a network whose encodes are noticed; others begin before the digest of an image is known."""
    monkeypatch.setattr("sam_infer.serving.prefetch.MOST_SECONDS", 0.0)
    network = server.restart()
    server.send(captured("slicer_sam_2d", "l", foreground=CLICKS, slice=11, **STEADY))
    content = (server.studies / "l.nii.gz").read_bytes()
    request = captured("slicer_sam_2d", "l", foreground=CLICKS, slice=11, **STEADY)
    assert server.send(request, files={"file": ("other.nii.gz", content)}).status == 200
    assert network.encodes == 1
