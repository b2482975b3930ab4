"""Logins in the browser: in, a click, a login that runs out in the middle of the case, a submission, out.

Then the same reader in a viewer on another web site: `localhost` is another one than `127.0.0.1`, with cookies of its
own, and its page loads our extension from there.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from samlabel.dicom.demo import SMALL, demo_dicom
from samlabel.logins.accounts import Accounts
from samlabel.logins.login_service import FOLDER
from tests.client import slicer_run
from tests.client.browser import browser, new_page
from tests.client.conftest import QUIET
from tests.client.phantom import ORGAN, lps, middle_of
from tests.client.reader import Reader
from tests.client.stations import free_port, serving
from tests.processes import HANG_S

SECURITY = Path(__file__).parents[2] / "docs" / "security.md"

pytestmark = [pytest.mark.client, pytest.mark.slow]

CT = SMALL[0]
FIRST, SECOND, THIRD = "first password 1", "second password 2", "third password 3"


def documented_steps() -> list[str]:
    """The blocks of lines that docs/security.md tells to type: accounts, the start, a look."""
    return re.findall(r"```bash\n(.*?)```", SECURITY.read_text(), re.DOTALL)


def typed(lines: str, home: Path, **names: str) -> None:
    """Type them into a shell."""
    for name, value in names.items():
        lines = lines.replace(name, value)
    program = f'set -euo pipefail\nsamlabel() {{ "{sys.executable}" -m samlabel "$@"; }}\n{lines}'
    told = {**os.environ, "SAMLABEL_HOME": str(home), "PASSWORD": FIRST}
    done = subprocess.run(["bash", "-c", program], env=told, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def log_in(page: Any, password: str) -> None:
    """Fill in the form."""
    page.fill("input[name=username]", "anna")
    page.fill("input[name=password]", password)
    page.click("button")


def log_in_again(reader: Reader, password: str) -> None:
    """Press the panel's button and fill in the form of the window that it opens, which closes by itself."""
    with reader.page.expect_popup() as opened:
        reader.press("Log in")
    with opened.value.expect_event("close"):
        log_in(opened.value, password)


def elsewhere(page: Any, address: str) -> None:
    """Have the viewer's page load our extension and mode from another web site."""

    def changed(route: Any) -> None:
        answer = route.fetch()
        text = answer.text().replace("'/ohif/extension.js'", f"'{address}/ohif/extension.js'")
        text = text.replace("'/ohif/mode.js'", f"'{address}/ohif/mode.js'")
        route.fulfill(response=answer, body=text)

    page.route("**/ohif/app-config.js", changed)


def test_a_login_that_runs_out_costs_no_work_here_and_on_another_site(tmp_path: Path, shots: Path) -> None:
    accounts, port = Accounts(tmp_path / FOLDER), free_port()
    make, start, look = documented_steps()
    typed(make, tmp_path)
    assert "--set logins=true" in start
    files = str(demo_dicom(tmp_path / "files", (CT,)))
    volume, mask = CT.build()
    place, viewer = lps(volume, middle_of(mask)), f"/ohif/samlabel?StudyInstanceUIDs={CT.uid('study')}"
    conf = ["logins=true", f"viewer_origins=http://localhost:{port}", *QUIET]
    with serving(files, tmp_path, answers=401, port=port, conf=conf) as address, browser() as chromium:
        typed(look, tmp_path, **{"http://SERVER:8000": address})
        anna = Reader(new_page(chromium, address), shots)
        anna.page.goto(viewer)
        log_in(anna.page, "a wrong password")
        assert "not known here" in anna.page.inner_text("[role=alert]")
        log_in(anna.page, FIRST)
        anna.ready()  # where the link led to
        anna.choose(ORGAN)
        anna.look_at(place)
        anna.press("+ point")
        anna.click(place)
        anna.draft_kept()

        accounts.set_password("anna", SECOND)  # every session of the old one has ended
        before = anna.voxels(ORGAN)
        anna.page.mouse.click(*(n + 6 for n in anna.pixel_of(place)))
        anna.says("Your login ran out")
        np.testing.assert_array_equal(anna.voxels(ORGAN), before)
        anna.shot("panel-login")
        log_in_again(anna, SECOND)
        anna.says("score")  # the click was asked again
        shown = anna.voxels(ORGAN)
        anna.press("Submit")
        anna.says("Submitted: ")
        form = {"username": "boss", "password": FIRST}
        token = httpx.post(f"{address}/auth/token", data=form, timeout=HANG_S).json()["access_token"]
        told = httpx.get(
            f"{address}/datastore/label/info?label={CT.uid('series')}&tag=final",
            headers={"authorization": f"Bearer {token}"},
            timeout=HANG_S,
        ).json()
        assert told["reader"] == "anna" and shown.any()

        anna.press("Log out")
        anna.page.wait_for_url("**/login")
        assert anna.page.goto("/ohif/").url.endswith("/login?next=%2Fohif%2F")

        other = Reader(new_page(chromium, f"http://localhost:{port}"), shots)
        elsewhere(other.page, address)
        other.page.goto(viewer)
        log_in(other.page, SECOND)  # that site's own way to its images
        other.page.wait_for_selector("#samlabel [data-samlabel=login] button")
        log_in_again(other, SECOND)
        other.ready()
        other.press("Re-open")
        other.says("Loaded")
        np.testing.assert_array_equal(other.voxels(ORGAN), shown)
        assert httpx.get(f"{address}/auth/", timeout=HANG_S).json()["name"] is None
        with slicer_run.slicer(address, tmp_path) as client:
            change = partial(accounts.set_password, "anna", THIRD)
            slicer_run.read_with_a_login(
                client, CT.uid("series"), tmp_path, mask, "anna", passwords=(SECOND, THIRD), end=change
            )
        abroad = f"foreign: http://localhost:{port}/"  # another site is the point here
        assert anna.faults == [] == [fault for fault in other.faults if not fault.startswith(abroad)]
