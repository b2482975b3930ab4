"""The gate's and the alarm's policy in the app's settings, and the alarm as readers' labels raise it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from sam_infer.adapters.adapter import Adapter
from sam_infer.adapters.store import AdapterStore
from sam_infer.imaging.image_file import write_image, write_mask
from sam_infer.imaging.volume import Mask, Volume
from sam_infer.uncertainty.calibration import Calibration
from sam_trainer.judging.calibrate import calibration_file
from sam_trainer.judging.policy import GatePolicy, WatchPolicy
from sam_trainer.labels.ledger import ACCEPTED, Ledger, Record
from sam_trainer.studies import Studies
from samlabel.commands.cli import main
from samlabel.config import AppConfig
from samlabel.errors import ConfigError
from samlabel.wire.train_request import parse
from tests.sam_infer.adapters.test_adapter import provenance, tensors
from tests.samlabel.conftest import Server


def test_settings_become_policies() -> None:
    assert AppConfig().gate_policy == GatePolicy() and AppConfig().watch_policy == WatchPolicy()
    config = AppConfig.of({"gate_cases": "5", "gate_margin": "0.01", "alarm_rise": "0.1", "alarm_rollback": "true"})
    assert config.gate_policy == GatePolicy(held_out_cases=5, margin=0.01)
    assert config.watch_policy == WatchPolicy(rise=0.1, rollback=True)


@pytest.mark.parametrize(
    ("conf", "sentence"),
    [
        ({"gate_margin": "much"}, "gate_margin must be a number"),
        ({"gate_cases": "0"}, "at least one held-out case"),
        ({"scoring_measure": "entropy"}, "scoring_measure must be one of "),
        ({"alarm_rise": "7"}, "rise must be from 0 to 1"),
        ({"gate": "x"}, "unknown setting 'gate'"),
    ],
)
def test_what_makes_no_sense_stops_the_start(conf: dict[str, str], sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        AppConfig.of(conf)


@pytest.mark.parametrize(
    ("typed", "sentence"),
    [
        ("gate_margin=much", "gate_margin must be a number"),
        ("gate_margin", "--set takes NAME=VALUE"),
        ("gate=1", "unknown setting 'gate'"),
    ],
)
def test_the_launcher_checks_settings_before_it_starts_anything(
    typed: str, sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.argv", ["samlabel", "serve", "--set", typed])
        with pytest.raises(SystemExit) as end:
            main()
    assert end.value.code == 1 and sentence in capsys.readouterr().err


def test_a_request_is_judged_by_the_server_s_policy() -> None:
    policy = GatePolicy(held_out_cases=6, promote=False)
    assert parse({}, "tiny", policy).policy == policy
    # 3D Slicer sends every option with every request
    assert parse({"promote": True, "margin": 0.0}, "tiny", policy).policy == GatePolicy(6, margin=0.0, promote=False)


@pytest.fixture
def adapters(server: Server) -> Iterator[tuple[AdapterStore, Ledger]]:
    """The second of two adapters serves, and readers were content with the first."""
    store, ledger = AdapterStore("tiny"), Ledger.of(Studies.of(server.studies))
    ledger.folder.mkdir(parents=True, exist_ok=True)
    records = ledger.folder / "records.jsonl"
    before = records.read_bytes() if records.exists() else b""
    for seed in (1, 2):
        store.promote(store.put(Adapter(tensors(seed), provenance(seed=seed))), "a test")
    yield store, ledger
    records.write_bytes(before)
    for path in (store.folder / "promoted.json", *store.folder.glob("*/alarm.json")):
        path.unlink(missing_ok=True)


def test_readers_who_correct_more_raise_an_alarm_that_the_server_tells(
    server: Server, adapters: tuple[AdapterStore, Ledger], phantom: tuple[Volume, Mask], tmp_path: Path
) -> None:
    store, ledger = adapters
    serving = str(store.pointer().adapter)
    now = datetime.now(UTC)
    with (ledger.folder / "records.jsonl").open("a") as file:
        for n in range(9):
            adapter, distance = ("none", 0.1) if n < 5 else (serving, 0.5)
            when = (now + timedelta(days=-1 if n < 5 else 0, seconds=2)).isoformat(timespec="seconds")
            facts = {"adapter": adapter, "edit_distance": distance}
            file.write(json.dumps(vars(Record(ACCEPTED, f"case{n}", 1, f"{n}", ".nrrd", when, facts))) + "\n")
    assert server.client.get("/adapters/").json()["alarm"] is None
    # the fifth label after the promotion: proposed, redrawn by half, saved
    image = write_image(phantom[0], tmp_path / "alarming.nii.gz")
    server.client.put("/datastore/image?image=alarming", files={"file": (image.name, image.read_bytes())})
    answer = server.click("alarming", foreground=[np.argwhere(phantom[1].array)[40].tolist()])
    proposed = answer.mask(tmp_path)
    k = answer.facts["slice"]
    cut = proposed.array.copy()
    cut[: int(np.median(np.argwhere(cut[..., k])[:, 0])), :, k] = 0
    label = write_mask(Mask(np.asfortranarray(cut), proposed.geometry), tmp_path / "label.nii.gz")
    params = {"label_info": [{"name": "object", "idx": 1}], "adapter": serving}
    reply = server.client.put(
        "/datastore/label?image=alarming",
        files={"label": (label.name, label.read_bytes())},
        data={"params": json.dumps(params)},
    )
    assert reply.status_code == 200 and "quarantine" not in reply.json()
    told = server.client.get("/adapters/").json()
    assert told["alarm"]["adapter"] == serving and "readers change" in told["alarm"]["sentence"]
    (row,) = [row for row in told["adapters"] if row["adapter"] == serving]
    assert row["alarm"] == told["alarm"]["sentence"]
    Calibration(2.0, 6, 2, 0.3, 0.1).write(calibration_file("tiny", serving))
    told = server.client.get(f"/adapters/{serving[:12]}").json()
    assert told["alarm"]["cases"] == 5
    assert (told["calibration"]["temperature"], told["calibration"]["ece_after"]) == (2.0, 0.1)
    server.client.delete("/datastore/image?id=alarming")
