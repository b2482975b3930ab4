"""Several readers over HTTP: kept apart, compared, decided by whoever may; the command line shows the same."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from sam_infer.audit.trail import Trail
from sam_infer.files import file_sha256
from sam_infer.imaging.image_file import write_image, write_mask
from sam_infer.imaging.volume import Mask, Volume
from sam_trainer.labels.ledger import ADJUDICATED
from samlabel.commands.labels import app as labels_command
from tests.samlabel.conftest import Server
from tests.samlabel.people import People

CASE = "read"
NAMES = {"label_info": [{"name": "organ", "idx": 1}]}


@pytest.fixture
def case(server: Server, phantom: tuple[Volume, Mask]) -> Iterator[str]:
    """A case that nobody has read."""
    write_image(phantom[0], server.studies / f"{CASE}.nii.gz")
    server.app.datastore().refresh()
    yield CASE
    server.client.cookies.clear()
    server.app.datastore().remove_image(CASE)


def label(phantom: tuple[Volume, Mask], folder: Path, thick: int) -> Path:
    array = np.zeros(phantom[1].array.shape, np.uint8)
    array[10 : 10 + thick, 10:20, 5:15] = 1
    return write_mask(Mask(array, phantom[0].geometry), folder / f"{thick}.nrrd")


def submit(server: Server, file: Path, headers: dict[str, str]) -> None:
    with file.open("rb") as content:
        saved = server.client.put(
            f"/datastore/label?image={CASE}&tag=final",
            files={"label": ("label.nrrd", content)},
            data={"params": json.dumps(NAMES)},
            headers=headers,
        )
    assert saved.status_code == 200, saved.text


def decide(server: Server, headers: dict[str, str], file: Path | None = None, **form: str) -> Any:
    files = {"label": ("label.nrrd", file.read_bytes())} if file else {"unused": ("", b"")}
    return server.client.post(f"/labels/{CASE}/adjudicate", data=form, files=files, headers=headers)


def final(server: Server) -> str:
    return file_sha256(Path(server.app.datastore().get_label_uri(CASE, "final")))


def test_two_readers_and_a_third_who_decides(
    server: Server, case: str, phantom: tuple[Volume, Mask], people: People, logins_on: People, tmp_path: Path
) -> None:
    anna, bert = people.bearer("annotator"), people.bearer("lead")
    carl = people.bearer("reviewer")
    one, other = label(phantom, tmp_path, 8), label(phantom, tmp_path, 12)
    submit(server, one, anna)
    told = server.client.get(f"/labels/{CASE}/readings", headers=anna).json()
    assert len(told["readings"]) == 1 and "agreement" not in told
    assert decide(server, carl, choice="1").status_code == 404  # nothing to decide
    submit(server, other, bert)
    assert final(server) == file_sha256(other)

    told = server.client.get(f"/labels/{CASE}/readings", headers=anna).json()
    assert [(each["reader"], each["version"]) for each in told["readings"]] == [("annotator", 1), ("lead", 2)]
    assert told["agreement"][0] | {"nsd": 0} == {
        "label": "organ",
        "first": "annotator",
        "second": "lead",
        "dice": 0.8,
        "nsd": 0,
    }
    assert (told["proposal"], told["decision"]) == ("majority", None)
    # what the other one marked is nothing for a second reader
    assert server.client.get(f"/labels/{CASE}/readings/2", headers=anna).status_code == 403
    assert decide(server, anna, choice="1").status_code == 403
    shown = server.client.get(f"/labels/{CASE}/readings/difference", headers=carl)
    voxels = np.frombuffer(gzip.decompress(shown.content.partition(b"\n\n")[2]), np.uint8)
    assert np.bincount(voxels).tolist()[1:] == [800, 0, 400]
    assert json.loads(shown.headers["x-samlabel-names"])[1:3] == ["annotator alone", "lead alone"]
    for wrong in ("7", "x", "drawn"):
        assert decide(server, carl, choice=wrong).status_code == 422, wrong

    decided = decide(server, carl, choice="1", why="the other has the duct too")
    assert decided.json() == {"case": CASE, "event": ADJUDICATED, "version": 1, "choice": "1"}
    assert final(server) == file_sha256(one)
    info = server.client.get(f"/datastore/label/info?label={CASE}&tag=final", headers=anna).json()
    assert info["reader"] == "reviewer" and info["label_info"][0]["name"] == "organ"
    told = server.client.get(f"/labels/{CASE}/readings", headers=anna).json()
    assert told["decision"]["by"] == "reviewer" and len(told["readings"]) == 2
    *_, deed = (line for line in Trail.of().lines() if line.subject == CASE)
    assert (deed.what, deed.who) == ("label adjudicated", "reviewer")

    own = label(phantom, tmp_path, 10)
    assert decide(server, carl, own, choice="drawn").status_code == 422  # nobody says what its values are
    drawn = decide(server, carl, own, choice="drawn", params=json.dumps(NAMES))
    assert drawn.json()["version"] == 3 and final(server) == file_sha256(own)
    assert decide(server, carl, choice="majority").status_code == 200
    for file in (one, other, own):  # nothing of anybody is lost
        assert (server.app.ledger.folder / "labels" / f"{file_sha256(file)}.nrrd").is_file()
    _command_line(server, tmp_path)


def _command_line(server: Server, tmp_path: Path) -> None:
    """Whoever is at the machine decides there."""
    words = ["adjudicate", CASE, "--studies", str(server.studies), "--difference", str(tmp_path / "d.nii.gz")]
    told = CliRunner().invoke(labels_command, words)
    assert "annotator and lead agree by a Dice of 0.800" in told.output, told.output
    assert "decided by reviewer" in told.output and (tmp_path / "d.nii.gz").is_file()
    told = CliRunner().invoke(labels_command, [*words[:4], "--choice", "2", "--why", "larger"])
    assert f"version 2 of {CASE} is decided" in told.output, told.output
    assert final(server) == file_sha256(tmp_path / "12.nrrd")
    assert server.app.ledger.last()[CASE].facts["choice"] == "2"
