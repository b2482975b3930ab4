"""Commands in words in the viewer: typed, completed, brought back; one history with the mouse."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.client.browser import browser_page
from tests.client.phantom import ORGAN, lps, middle_of
from tests.client.reader import Reader
from tests.client.stations import Station

pytestmark = [pytest.mark.client, pytest.mark.slow]


@pytest.mark.parametrize("station", ["embedded"], indirect=True, scope="module")
def test_words_and_mouse_share_one_history(station: Station, shots: Path) -> None:
    series = station.series[1]
    volume, mask = series.build()
    place = lps(volume, middle_of(mask))
    with browser_page(station.address) as page:
        reader = Reader(page, shots)
        reader.open(series.uid("study"))
        reader.choose(ORGAN)
        reader.look_at(place)
        reader.press("+ point")
        reader.click(place)
        clicked = reader.voxels(ORGAN)

        def say(text: str, answer: str) -> None:
            page.fill("[data-samlabel=say]", text)
            page.press("[data-samlabel=say]", "Enter")
            reader.says(answer)

        assert page.query_selector("#samlabel button:text-is('Speak')").is_hidden()  # nothing here hears by itself
        say("expnad 4 mm left", "expand 4 mm left")
        spoken = reader.voxels(ORGAN)
        assert spoken.sum() > clicked.sum() and (spoken | clicked).sum() == spoken.sum()
        say("segment gizzard", "did you mean")
        page.fill("[data-samlabel=say]", "smo")
        page.press("[data-samlabel=say]", "Tab")
        assert page.input_value("[data-samlabel=say]") == "smooth 2 mm"
        page.press("[data-samlabel=say]", "Enter")
        reader.says("smooth 2 mm;")
        page.press("[data-samlabel=say]", "ArrowUp")
        page.press("[data-samlabel=say]", "ArrowUp")
        assert page.input_value("[data-samlabel=say]") == "segment gizzard"
        say("undo", "Undone:")
        np.testing.assert_array_equal(reader.voxels(ORGAN), spoken)
        reader.press("Undo")
        reader.says("Undone:")
        np.testing.assert_array_equal(reader.voxels(ORGAN), clicked)
        say("redo", "Done again:")
        np.testing.assert_array_equal(reader.voxels(ORGAN), spoken)
        assert reader.faults == []
