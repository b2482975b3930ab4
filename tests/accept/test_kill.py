"""The power fails while labels are saved: what was acknowledged is there, whole, with what was said about it.

Logins are on, and the audit trail is checked after every kill: its chain is whole, and no label is without its line.
"""

from __future__ import annotations

import json
import os
import threading
import time
from pathlib import Path

import httpx
import numpy as np
import pytest

from sam_infer.audit.trail import Trail
from sam_infer.audit.verify import verify_trail
from sam_infer.imaging.image_file import read_mask, write_image, write_mask
from sam_infer.imaging.volume import Mask, Volume
from sam_trainer.synthetic.patients import grid
from samlabel.logins.accounts import Accounts
from samlabel.logins.login_service import FOLDER
from samlabel.logins.person import ANNOTATOR
from tests.accept.result_rows import KILLS as RESULT
from tests.accept.server import ServerProcess

pytestmark = pytest.mark.accept
KILLS = int(os.environ.get("SAMLABEL_KILLS", "10"))
IMAGES = 40
PASSWORD = "correct horse 7"


def studies(folder: Path) -> Path:
    geometry = grid((24, 20, 8), (1, 1, 3))
    for number in range(IMAGES):
        voxels = np.random.default_rng(number).integers(0, 1000, geometry.shape, dtype=np.int16)
        write_image(Volume(voxels, geometry), folder / f"case_{number:02d}.nii.gz")
    return folder


def save_labels(server: ServerProcess, first: int, file: bytes, said: dict[str, str]) -> None:
    """Save one label after the other until the server is gone; note what was acknowledged."""
    for number in range(first, first + 10 * IMAGES):
        case, remark = f"case_{number % IMAGES:02d}", f"reading {number}"
        try:
            reply = server.client.put(
                "/datastore/label",
                params={"image": case, "tag": "final"},
                files={"label": ("label.nii.gz", file)},
                data={"params": json.dumps({"label_info": [{"name": "lesion", "idx": 1}], "remark": remark})},
            )
        except httpx.HTTPError:
            return
        if reply.status_code == 200:
            said[case] = remark


@pytest.mark.timeout(KILLS * 300)
def test_acknowledged_labels_survive_kills(tmp_path: Path) -> None:
    started = time.time()
    folder = studies(tmp_path / "studies")
    voxels = np.zeros((24, 20, 8), np.uint8)
    voxels[3:9, 4:12, 2:5] = 1
    mask = Mask(voxels, grid((24, 20, 8), (1, 1, 3)))
    file = write_mask(mask, tmp_path / "label.nii.gz").read_bytes()
    home, login = tmp_path / "home", {}
    Accounts(home / FOLDER).add("ann", ANNOTATOR, PASSWORD)
    rng, said, lost = np.random.default_rng(0), {}, []
    for round_number in range(KILLS):
        server = ServerProcess(folder, home, "logins=true")
        server.start()
        if not login:  # once: a session outlives the kills
            form = {"username": "ann", "password": PASSWORD}
            token = server.client.post("/auth/token", data=form).json()["access_token"]
            login["authorization"] = f"Bearer {token}"
        server.client.headers.update(login)
        writer = threading.Thread(target=save_labels, args=(server, 1000 * round_number, file, said))
        writer.start()
        known = dict(said)
        while said == known and writer.is_alive():
            time.sleep(0.01)  # the first save of a server pays for imports
        time.sleep(float(rng.uniform(0.0, 2.0)))
        server.kill()
        writer.join()
        server.client.close()
        lost += check(folder, said, mask) + check_trail(Trail.of(home), said)
    row = {
        "what": "save over HTTP, logins on",
        "kills": KILLS,
        "labels_acknowledged": len(said),
        "labels_lost_or_damaged_or_not_audited": len(lost),
    }
    RESULT.add(row, started)
    assert len(said) >= 10
    assert lost == []


def check_trail(trail: Trail, said: dict[str, str]) -> list[str]:
    """What is wrong with the audit trail, and cases whose acknowledged label has no line of whoever sent it."""
    found = {line.subject for line in trail.lines() if line.what.startswith("label ") and line.who == "ann"}
    return [*verify_trail(trail).faults, *sorted(set(said) - found)]


def check(folder: Path, said: dict[str, str], mask: Mask) -> list[str]:
    """Cases whose acknowledged label is missing, unreadable, other than what was sent, or without its facts."""
    stored = json.loads((folder / "datastore_v2.json").read_text())["objects"]
    wrong = []
    for case in said:
        label = folder / "labels" / "final" / f"{case}.nii.gz"
        facts = stored.get(case, {}).get("labels", {}).get("final", {}).get("info", {})
        if not label.exists() or not np.array_equal(read_mask(label).array, mask.array) or "remark" not in facts:
            wrong.append(case)
    return wrong
