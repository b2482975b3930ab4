"""From a saved label to the ledger, over HTTP: what is recorded, what is held back, and who is told."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sam_infer.imaging.image_file import write_image, write_mask
from sam_infer.imaging.volume import Mask, Volume
from sam_trainer.labels.ledger import Ledger
from sam_trainer.studies import Studies
from tests.samlabel.conftest import Server

NAME = "accepted"


@pytest.fixture
def image(server: Server, phantom: tuple[Volume, Mask], tmp_path: Path) -> Iterator[str]:
    """The phantom under a name of its own, without a label."""
    file = write_image(phantom[0], tmp_path / f"{NAME}.nii.gz")
    reply = server.client.put(f"/datastore/image?image={NAME}", files={"file": (file.name, file.read_bytes())})
    assert reply.status_code == 200, reply.text
    yield NAME
    server.client.delete(f"/datastore/image?id={NAME}")
    ledger = Ledger.of(Studies.of(server.studies))
    kept = [line for line in (ledger.folder / "records.jsonl").read_text().splitlines() if f'"{NAME}"' not in line]
    (ledger.folder / "records.jsonl").write_text("".join(f"{line}\n" for line in kept))


def save(server: Server, mask: Mask, folder: Path, tag: str = "final", **params: Any) -> dict[str, Any]:
    file = write_mask(mask, folder / "label.nii.gz")
    told = {"label_info": [{"name": "object", "idx": 1}], **params}
    reply = server.client.put(
        f"/datastore/label?image={NAME}&tag={tag}",
        files={"label": (file.name, file.read_bytes())},
        data={"params": json.dumps(told)},
    )
    assert reply.status_code == 200, reply.text
    found: dict[str, Any] = reply.json()
    return found


def moved(mask: Mask, shift: int) -> Mask:
    return Mask(np.asfortranarray(np.roll(mask.array, shift, axis=0)), mask.geometry)


def test_the_ledger_knows_how_a_label_came_about(
    server: Server, phantom: tuple[Volume, Mask], image: str, tmp_path: Path
) -> None:
    """Two clicks on a slice, then the reader adds a row of voxels to what was proposed and submits."""
    places = np.argwhere(phantom[1].array)
    middle = int(np.median(places[:, 2]))
    first, second = (places[places[:, 2] == middle][n].tolist() for n in (3, 12))
    server.click(image, foreground=[first])
    answer = server.click(image, foreground=[first, second])
    proposed = answer.mask(tmp_path)
    changed = proposed.array.copy()
    changed[:2, 0, middle] = 1 - changed[:2, 0, middle]
    assert save(server, Mask(np.asfortranarray(changed), proposed.geometry), tmp_path) == {
        "image": image,
        "label": image,
    }
    found = server.client.get(f"/labels/{image}").json()
    assert (found["event"], found["version"], found["clicks"]) == ("accepted", 1, 2)
    facts = found["events"][0]["facts"]
    assert facts["model"] == answer.facts["model"] and facts["adapter"] == answer.facts["adapter"]
    assert facts["edited_voxels"] == 2 and len(facts["prompts_digest"]) == 16 and facts["seconds"] >= 0
    union = int((proposed.array | changed).sum())
    assert facts["edit_distance"] == pytest.approx(2 / union, abs=1e-5)
    # the next reading begins anew
    save(server, proposed, tmp_path)
    assert "edit_distance" not in server.client.get(f"/labels/{image}").json()


def test_a_label_in_doubt_is_saved_and_its_reader_told_and_waits_for_release(
    server: Server, phantom: tuple[Volume, Mask], image: str, tmp_path: Path
) -> None:
    save(server, phantom[1], tmp_path)
    answer = save(server, moved(phantom[1], 15), tmp_path)
    assert [doubt["reason"] for doubt in answer["quarantine"]] == ["gross_disagreement"]
    assert "the label is saved" in answer["message"] and "agrees with version 1" in answer["message"]
    assert server.client.get(f"/datastore/label?label={image}&tag=final").status_code == 200
    assert save(server, moved(phantom[1], 15), tmp_path) == answer  # the same again is still in doubt
    assert save(server, phantom[1], tmp_path, "draft") == {"image": image, "label": image}  # a draft never is
    listed = server.client.get("/labels/?state=quarantined").json()
    assert [row["case"] for row in listed["labels"]] == [image] and listed["quarantined"] == 1
    assert image not in Ledger.of(Studies.of(server.studies)).standing()
    released = server.client.post(f"/labels/{image}/release", json={"why": "another object"})
    assert released.json() == {"case": image, "event": "released", "version": 2}
    assert Ledger.of(Studies.of(server.studies)).standing()[image].facts["why"] == "another object"
    assert server.client.get("/labels/?state=quarantined").json()["quarantined"] == 0


def test_an_empty_label_is_kept_for_a_look(
    server: Server, phantom: tuple[Volume, Mask], image: str, tmp_path: Path
) -> None:
    answer = save(server, Mask.empty(phantom[1].geometry), tmp_path)
    assert answer["quarantine"][0]["reason"] == "empty"
    withdrawn = server.client.post(f"/labels/{image}/withdraw")
    assert withdrawn.json()["event"] == "withdrawn"


def test_a_full_disk_is_said_and_the_label_before_stays(
    server: Server, phantom: tuple[Volume, Mask], image: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save(server, phantom[1], tmp_path)
    before = server.client.get(f"/datastore/label?label={image}&tag=final").content

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    file = write_mask(moved(phantom[1], 1), tmp_path / "label.nii.gz").read_bytes()
    request = {
        "url": f"/datastore/label?image={image}",
        "files": {"label": ("x.nii.gz", file)},
        "data": {"params": "{}"},
    }
    with monkeypatch.context() as patch:
        patch.setattr("samlabel.store.folder.shutil.copyfile", full)
        reply = server.client.put(**request)
    assert reply.status_code == 507 and "disk is full" in reply.json()["detail"]
    assert server.client.get(f"/datastore/label?label={image}&tag=final").content == before
    assert server.client.put(**request).status_code == 200


@pytest.mark.parametrize(
    ("method", "path", "status", "sentence"),
    [
        ("get", "/labels/?state=lost", 422, "state must be one of accepted"),
        ("get", "/labels/nobody", 404, "no label of 'nobody' was ever accepted here"),
        ("post", "/labels/nobody/release", 422, "nothing to release"),
        ("post", "/labels/nobody/withdraw", 422, "no accepted label of 'nobody' to withdraw"),
        ("post", "/labels/..%2Fx/release", 422, ".."),
    ],
)
def test_what_cannot_be(server: Server, method: str, path: str, status: int, sentence: str) -> None:
    reply = getattr(server.client, method)(path)
    assert reply.status_code == status and sentence in reply.json()["detail"]
