"""From accepted labels to answers that know them, over HTTP: what is learned, what is taken back, who may ask."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sam_infer.imaging.image_file import write_image, write_mask
from sam_infer.imaging.volume import Mask, Volume
from sam_infer.slices.refiner import ALONE
from sam_trainer.labels.ledger import Ledger
from sam_trainer.online.learner import Learner
from samlabel.online.learning import Choice, OnlineLearning
from tests.processes import wait_until
from tests.samlabel.conftest import Server

NAMES = ("learn_a", "learn_b")


@pytest.fixture
def learning(
    server: Server, phantom: tuple[Volume, Mask], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[OnlineLearning]:
    """The server as one that learns as it goes, on two cases of the phantom; one step for each label.

    What it has learned helps a little, however little that is.
    """
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    monkeypatch.setattr("sam_trainer.online.learner.STEPS", 1)
    monkeypatch.setattr("sam_trainer.online.learner.DRAWN", 1)
    monkeypatch.setattr("sam_trainer.online.crop.SIDE", 16)
    monkeypatch.setattr("sam_trainer.online.network.LEVELS", 2)
    monkeypatch.setattr("sam_trainer.online.teaching.OBJECTS", 5)
    monkeypatch.setattr(Learner, "share", property(lambda one: 0.6 if one.taught >= 5 else ALONE))
    monkeypatch.setattr("samlabel.online.learning.QUIET_SECONDS", 0.0)
    for name in NAMES:
        write_image(phantom[0], server.studies / f"{name}.nii.gz")
    server.app.datastore().refresh()
    made = OnlineLearning(lambda: server.app.serving, server.app.source, server.app.online._case_of, Choice("aux"))
    made._began = len(server.app.ledger.records())
    monkeypatch.setitem(server.app.__dict__, "online", made)
    made.hear()
    yield made
    made.reset("")
    (made._folder / "heard.json").unlink()
    for name in NAMES:
        server.client.delete(f"/datastore/?id={name}")
    file = Ledger.of(server.app.source).folder / "records.jsonl"
    kept = [line for line in file.read_text().splitlines() if '"learn_' not in line]
    file.write_text("".join(f"{line}\n" for line in kept))
    torch.set_num_threads(threads)


def save(server: Server, name: str, mask: Mask, folder: Path, tag: str = "final", **headers: str) -> None:
    file = write_mask(mask, folder / "label.nii.gz")
    reply = server.client.put(
        f"/datastore/label?image={name}&tag={tag}",
        files={"label": (file.name, file.read_bytes())},
        data={"params": json.dumps({"label_info": [{"name": "object", "idx": 1}], "reader": "ann"})},
        headers=headers,
    )
    assert reply.status_code == 200, reply.text


def told(server: Server) -> dict[str, Any]:
    """What is known of the label `object`."""
    facts = server.client.get("/online/").json()
    return next((one for one in facts["labels"] if one["label"] == "object"), {})


def test_an_accepted_label_is_learned_and_answers_know_it_until_it_is_withdrawn(
    server: Server, learning: OnlineLearning, phantom: tuple[Volume, Mask], tmp_path: Path
) -> None:
    place = np.argwhere(phantom[1].array)[200].tolist()
    assert server.client.get("/online/").json() == {"online": "aux", "for": "team", "on": True, "labels": []}
    before = server.click("learn_b", foreground=[place])
    assert "online" not in before.facts
    save(server, "learn_a", phantom[1], tmp_path, tag="draft_ann")
    learning.hear()
    assert not told(server)  # a draft teaches nothing
    save(server, "learn_a", phantom[1], tmp_path)
    learning.hear()
    learned = told(server)
    assert learned["cases"] == ["learn_a"] and learned["taught"] == learned["queue"] >= 5 and learned["weight"] == 0.4
    learning.hear()
    assert told(server) == learned  # heard once

    after = server.click("learn_b", foreground=[place])
    assert after.facts["online"] == {"object": 0.4}
    off = server.click("learn_b", foreground=[place], online="off")
    assert "online" not in off.facts and off.mask_bytes == before.mask_bytes
    for model, more in (
        ("sam_3d", {"roi": [0, 39, 0, 31, place[2] - 1, place[2] + 1]}),
        ("sam_auto", {"mode": "propose", "extent": "slice", "slice": place[2]}),
    ):
        request = {"query": {"image": "learn_b"}, "headers": {}, "params": {"foreground": [place], **more}}
        answer = server.send({"method": "POST", "path": f"/infer/{model}", **request})
        assert answer.status == 200 and answer.facts["online"]["object"] == 0.4, answer.facts

    # a server that was killed knows what it knew
    reborn = OnlineLearning(lambda: server.app.serving, server.app.source, learning._case_of, Choice("aux"))
    predictor = server.app.serving.predictor
    assert reborn.refined(predictor, ["object"], "ann").refiner.share("object") == 0.6

    reply = server.client.post("/labels/learn_a/withdraw", json={"why": "wrong patient"})
    assert reply.status_code == 200
    learning.hear()
    assert told(server)["queue"] == told(server)["taught"] == 0 and told(server)["weight"] == 0
    again = server.click("learn_b", foreground=[place])
    assert again.mask_bytes == before.mask_bytes


def test_labels_in_quarantine_do_not_teach_until_they_are_released(
    server: Server, learning: OnlineLearning, phantom: tuple[Volume, Mask], tmp_path: Path
) -> None:
    save(server, "learn_a", phantom[1], tmp_path)
    learning.hear()
    assert told(server)["queue"]
    odd = Mask(np.asfortranarray(np.roll(phantom[1].array, 15, axis=0)), phantom[1].geometry)
    save(server, "learn_a", odd, tmp_path)  # quite another place than the version before
    assert server.client.get("/labels/learn_a").json()["event"] == "quarantined"
    learning.hear()
    assert told(server)["queue"] == 0
    assert server.client.post("/labels/learn_a/release", json={"why": "known"}).status_code == 200
    learning.hear()
    assert told(server)["cases"] == ["learn_a"]


def test_it_can_be_reset_and_switched_off_and_another_network_begins_anew(
    server: Server, learning: OnlineLearning, phantom: tuple[Volume, Mask], tmp_path: Path
) -> None:
    save(server, "learn_a", phantom[1], tmp_path)
    learning.hear()
    assert told(server)["queue"]
    place = np.argwhere(phantom[1].array)[200].tolist()
    for neither in (0, "off", None):
        assert server.client.post("/online/switch", json={"on": neither}).status_code == 422
    assert server.client.post("/online/switch", json={"on": False}).json()["on"] is False
    assert "online" not in server.click("learn_b", foreground=[place]).facts
    assert server.client.post("/online/switch", json={"on": True}).json()["labels"][0]["queue"]
    assert server.client.post("/online/reset").json()["labels"] == []
    learning.hear()
    assert not told(server)  # labels up to then are not learned again

    save(server, "learn_b", phantom[1], tmp_path)
    learning.hear()
    assert told(server)["cases"] == ["learn_b"]
    before = server.network
    try:
        server.restart().weights_id = "region-growing-2"
        assert "online" not in server.click("learn_a", foreground=[place]).facts
        learning.hear()
        assert not told(server)
    finally:
        server.restart(before.encoder_id)


def test_in_the_background_each_reader_may_have_learners_of_his_own(
    server: Server, learning: OnlineLearning, phantom: tuple[Volume, Mask], tmp_path: Path
) -> None:
    learning.choice = Choice("aux", "reader")
    learning.start()
    try:
        save(server, "learn_a", phantom[1], tmp_path, **{"x-samlabel-reader": "ann"})
        wait_until(lambda: learning.facts("ann")["labels"], "the label was learned")
    finally:
        learning.stop()
    assert learning.facts("ann")["labels"][0]["cases"] == ("learn_a",) and learning.facts("bob")["labels"] == []
    learning.reset("ann")


def test_who_asks_for_it_where_it_is_off_hears_why_not(server: Server) -> None:
    found = server.click("l", foreground=[[3, 3, 3]], online="aux")
    assert (found.status, found.facts["field"]) == (422, "online") and "--set online=aux" in found.facts["detail"]
    assert server.click("l", foreground=[[3, 3, 3]], online="maybe").status == 422
