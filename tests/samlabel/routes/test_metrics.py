"""What monitoring reads."""

from __future__ import annotations

from prometheus_client.parser import text_string_to_metric_families

from tests.samlabel.conftest import Server, captured

Key = tuple[str, frozenset[str]]


def key(name: str, *labels: str) -> Key:
    return f"samlabel_{name}", frozenset(labels)


def samples(server: Server) -> dict[Key, float]:
    reply = server.client.get("/metrics")
    assert reply.status_code == 200 and reply.headers["content-type"].startswith("text/plain")
    found = {}
    for family in text_string_to_metric_families(reply.text):
        for sample in family.samples:
            found[sample.name, frozenset(sample.labels.values())] = sample.value
    return found


def test_a_click_is_counted_stage_by_stage(server: Server) -> None:
    server.restart()
    request = captured("ohif_sam_2d", "l", foreground=[[24, 12, 13]], zoom=False)
    assert server.send(request).status == 200
    before = samples(server)
    assert server.send(request).status == 200
    after = samples(server)
    for stage in ("read", "wait", "encode", "decode", "post", "write", "pack", "whole"):
        counted = key("stage_seconds_count", "sam_2d", stage)
        assert after[counted] - before[counted] == 1, stage
    answered = key("requests_total", "200", "sam_2d")
    assert after[answered] - before[answered] == 1
    assert before[key("encodes_total")] == after[key("encodes_total")] == 1
    assert after[key("embedding_hits_total", "memory")] - before[key("embedding_hits_total", "memory")] == 1
    assert after[key("volume_bytes")] == server.app.serving.volume(server.studies / "l.nii.gz").nbytes
    assert after[key("queue_depth")] == 0 and after["process_resident_memory_bytes", frozenset()] > 1e8


def test_refusals_are_counted(server: Server) -> None:
    refused = key("requests_total", "422", "sam_2d")
    before = samples(server).get(refused, 0)
    assert server.send(captured("ohif_sam_2d", "l", foreground=[[24, 12, 9999]])).status == 422
    assert samples(server)[refused] == before + 1


def test_ready(server: Server) -> None:
    assert server.client.get("/ready").json() == {"ready": True}
