"""The OHIF that npm has: `samlabel viewer add` takes it, and our unchanged modules work in it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage
from typer.testing import CliRunner

from sam_trainer.synthetic.patients import ABDOMEN_LABELS
from samlabel.commands.admin.viewer import app
from samlabel.dicom.demo import DEMO
from samlabel.viewer.installed import TRIED
from tests.client.browser import browser_page
from tests.client.conftest import embedded
from tests.client.npm import fetched
from tests.client.phantom import ORGAN, VALUE, check_overlay, dice, lps, middle_of, segs
from tests.client.reader import Reader, sent
from tests.client.stations import Station

pytestmark = [pytest.mark.client, pytest.mark.slow]

VERSION = "3.13.2"
OTHER = "kidney_right"


@pytest.fixture
def newer(tmp_path: Path) -> Iterator[Station]:
    """A station that serves the newer viewer; it is a quarter of a gigabyte, and gone afterwards."""
    package = fetched("@ohif/app", VERSION, tmp_path)
    told = CliRunner().invoke(app, ["add", str(package)], env={"COLUMNS": "300", "SAMLABEL_HOME": str(tmp_path)})
    assert told.exit_code == 0, told.output
    assert "as published" in told.output and TRIED[VERSION] in told.output
    yield from embedded(tmp_path, DEMO[:1])
    shutil.rmtree(tmp_path)


def test_click_3d_and_submit(newer: Station, shots: Path) -> None:
    series = newer.series[0]
    volume, mask = series.build()
    true = mask.array == VALUE
    place = middle_of(mask)
    with browser_page(newer.address) as page:
        reader = Reader(page, shots)
        assert reader.from_the_list(series.patient)[0] == "samlabel"
        assert page.evaluate("fetch('/ohif/').then(a => a.text())").count("app.bundle.0f6159c501addfe9.js") == 1
        reader.choose(ORGAN)
        reader.look_at(lps(volume, place))
        reader.press("+ point")
        asked = sent(reader.click(lps(volume, place)))
        assert np.abs(np.subtract(asked["foreground"], [place])).max() <= 1
        check_overlay(reader.voxels(ORGAN), true, series)
        reader.press("Undo")
        reader.says("Undone")
        assert not reader.mask()[0].any()
        value = next(value for value, name in ABDOMEN_LABELS.items() if name == OTHER)
        true, place = mask.array == value, middle_of(mask, value)
        reader.choose(OTHER)
        reader.in_3d()
        reader.look_at(lps(volume, place))
        reader.click(lps(volume, place))
        found = reader.voxels(OTHER)
        assert dice(found, true) >= 0.8
        assert np.abs(np.subtract(ndimage.center_of_mass(found), ndimage.center_of_mass(true))).max() <= 2
        reader.shot(f"ohif-{VERSION}")
        reader.press("Submit")
        reader.says("Submitted: ")
        (seg,) = segs(newer, series)
        assert int(seg.pixel_array.sum()) == int(found.sum())
        assert reader.faults == []
