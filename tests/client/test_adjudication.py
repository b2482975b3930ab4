"""Two readers and a reviewer, logged in one after the other in the browser: read apart, compared, decided."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sam_trainer.labels.ledger import ACCEPTED, ADJUDICATED, Ledger
from samlabel.dicom.demo import SMALL, demo_dicom
from samlabel.logins.accounts import Accounts
from samlabel.logins.login_service import FOLDER
from tests.client.browser import browser, new_page
from tests.client.conftest import QUIET
from tests.client.phantom import ORGAN, lps, middle_of
from tests.client.reader import Reader
from tests.client.stations import serving

pytestmark = [pytest.mark.client, pytest.mark.slow, pytest.mark.accept]

CT, SECRET = SMALL[0], "a password of 1 test"
ROLES = {"anna": "annotator", "bert": "annotator", "rita": "reviewer"}


def come_in(reader: Reader, name: str) -> None:
    """Log in and open the case, as a link from a worklist leads there."""
    reader.page.goto(f"/ohif/samlabel?StudyInstanceUIDs={CT.uid('study')}")
    reader.page.fill("input[name=username]", name)
    reader.page.fill("input[name=password]", SECRET)
    reader.page.click("button")
    reader.ready()


def go(reader: Reader) -> None:
    reader.press("Log out")
    reader.page.wait_for_url("**/login")


def test_two_readers_a_third_who_decides_and_nothing_is_lost(tmp_path: Path, shots: Path) -> None:
    accounts = Accounts(tmp_path / FOLDER)
    for name, role in ROLES.items():
        accounts.add(name, role, SECRET)
    files, (volume, mask) = str(demo_dicom(tmp_path / "files", (CT,))), CT.build()
    middle, shown = lps(volume, middle_of(mask)), {}
    with serving(files, tmp_path, answers=401, conf=["logins=true", *QUIET]) as address, browser() as chromium:
        reader = Reader(new_page(chromium, address), shots)
        for name, shift in (("anna", 0.0), ("bert", 12.0)):
            come_in(reader, name)
            assert not reader.page.is_visible("[data-section=readers]")
            assert not reader.mask()[0].any()  # who reads second begins with nothing
            reader.choose(ORGAN)
            reader.look_at(middle)
            reader.press("box")
            corner = np.array([30.0, 25.0, 0.0])
            reader.draw(middle - corner + [shift, 0, 0], middle + corner)
            shown[name] = reader.voxels(ORGAN)
            reader.press("Submit")
            reader.says("Submitted: ")
            if name == "bert":
                reader.reads_in("readers", "nobody has decided yet")
                assert not reader.page.is_visible("#samlabel button:text-is('Decide')")
            go(reader)
        assert not np.array_equal(shown["anna"], shown["bert"])

        come_in(reader, "rita")
        reader.reads_in("readers", "Several readers marked this case")
        assert "anna and bert agree by a Dice of 0." in reader.reads("agreement")
        reader.look_at(middle)
        reader.page.check("#samlabel [data-samlabel=difference]")
        reader.page.wait_for_selector("text=red anna alone, blue bert alone")
        reader.shot("panel-readers")
        reader.page.select_option("#samlabel select[aria-label='Which label']", label="anna (version 1)")
        reader.page.fill("#samlabel input[aria-label=Why]", "the smaller one holds the duct")
        reader.press("Decide")
        reader.says("Decided: version 1")
        reader.reads_in("readers", "Decided by rita: 1 (the smaller one holds the duct)")
        reader.press("Re-open")
        reader.says("Loaded")
        np.testing.assert_array_equal(reader.voxels(ORGAN), shown["anna"])
        assert reader.faults == []

    (folder,) = (tmp_path / "ledger").iterdir()
    ledger = Ledger(folder)
    events = [(record.event, record.version, record.reader) for record in ledger.records()]
    assert events == [(ACCEPTED, 1, "anna"), (ACCEPTED, 2, "bert"), (ADJUDICATED, 1, "rita")]
    assert all(ledger.label(record).is_file() for record in ledger.records())
    assert ledger.records()[-1].label_sha256 == ledger.records()[0].label_sha256
