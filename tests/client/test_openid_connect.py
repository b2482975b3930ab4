"""A hospital's login service in the browser: in, a click, a login that runs out, a submission, out there too."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from sam_infer.audit.trail import Trail
from sam_infer.audit.verify import verify_trail
from samlabel.dicom.demo import SMALL, demo_dicom
from tests.client.browser import browser, new_page
from tests.client.conftest import QUIET
from tests.client.phantom import ORGAN, lps, middle_of
from tests.client.reader import Reader
from tests.client.stations import free_port, serving
from tests.login_service import login_service
from tests.processes import HANG_S

DOCUMENT = Path(__file__).parents[2] / "docs" / "openid-connect.md"

pytestmark = [pytest.mark.client, pytest.mark.slow]

CT = SMALL[0]


def documented(folder: Path, service: str, address: str) -> list[str]:
    """The settings that docs/openid-connect.md tells to type, with the addresses of this test."""
    secret = folder / "secret"
    secret.write_text("s3")
    names = {
        "https://login.hospital/realms/radiology": service,
        "https://samlabel.hospital": address,
        "/etc/samlabel/oidc-secret": str(secret),
    }
    (block,) = re.findall(r"```bash\n(.*?)```", DOCUMENT.read_text(), re.DOTALL)
    for name, value in names.items():
        assert name in block
        block = block.replace(name, value)
    return re.findall(r"--set (\S+)", block)


def by_token(home: Path, address: str) -> int:
    """What 3D Slicer gets: a name, and a machine token as the password."""
    made = subprocess.run(
        [sys.executable, "-m", "samlabel", "tokens", "add", "slicer-room-3", "--role", "annotator", "--days", "365"],
        env={**os.environ, "SAMLABEL_HOME": str(home)},
        capture_output=True,
        text=True,
        check=True,
    )
    form = {"username": "anything", "password": made.stdout.strip()}
    token = httpx.post(f"{address}/auth/token", data=form, timeout=HANG_S).json()["access_token"]
    headers = {"authorization": f"Bearer {token}"}
    return httpx.get(f"{address}/info/", headers=headers, timeout=HANG_S).status_code


def log_in(page: Any) -> None:
    """Fill in the login service's form."""
    page.fill("input[name=sub]", "ann")
    page.get_by_role("button", name="Authorize").click()


def test_a_login_by_the_hospital_s_service_runs_out_and_costs_no_work(tmp_path: Path, shots: Path) -> None:
    files, port = str(demo_dicom(tmp_path / "files", (CT,))), free_port()
    volume, mask = CT.build()
    place, viewer = lps(volume, middle_of(mask)), f"/ohif/samlabel?StudyInstanceUIDs={CT.uid('study')}"
    with login_service({"ann": ["radiology"]}) as service:
        conf = [*documented(tmp_path, service, f"http://127.0.0.1:{port}"), *QUIET]
        with serving(files, tmp_path, answers=401, port=port, conf=conf) as address, browser() as chromium:
            ann = Reader(new_page(chromium, address), shots)
            assert by_token(tmp_path, address) == 200
            ann.page.goto(viewer)
            assert ann.page.url.startswith(service)  # there is nothing else
            log_in(ann.page)
            ann.ready()  # where the link led to
            ann.choose(ORGAN)
            ann.look_at(place)
            ann.press("+ point")
            ann.click(place)
            ann.draft_kept()

            ann.page.context.clear_cookies()
            before = ann.voxels(ORGAN)
            ann.page.mouse.click(*(n + 6 for n in ann.pixel_of(place)))
            ann.says("Your login ran out")
            np.testing.assert_array_equal(ann.voxels(ORGAN), before)
            with ann.page.expect_popup() as opened:
                ann.press("Log in")
            with opened.value.expect_event("close"):
                log_in(opened.value)
            ann.says("score")  # the click was asked again
            ann.press("Submit")
            ann.says("Submitted: ")
            ann.press("Log out")
            ann.page.wait_for_url(f"{service}/oauth2/end_session**")
            ann.page.get_by_role("button", name="End session").click()
            ann.page.wait_for_url(f"{service}/oauth2/authorize**")  # here nobody is logged in any more
    trail = Trail.of(tmp_path)
    assert verify_trail(trail).faults == ()
    told = [(line.what, line.who, line.subject) for line in trail.lines() if line.what.startswith(("log", "label"))]
    assert told.pop(0) == ("login", "slicer-room-3", "slicer-room-3")
    assert told[:2] == [("login", "ann", "ann")] * 2 and told[-1] == ("logout", "ann", "ann")
    assert told[2][1:] == ("ann", CT.uid("series")) and "Phantom" not in trail.files()[0].read_text()
