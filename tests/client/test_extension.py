"""Our mode in the real viewer: list, click, correct, propose, undo, submit, come back."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from scipy import ndimage

from samlabel.dicom.demo import DEMO
from tests.client.browser import browser_page
from tests.client.conftest import embedded
from tests.client.extension_reader import ExtensionReader
from tests.client.stations import Station
from tests.client.test_ohif import ORGAN, VALUE, check_overlay, lps, middle_of, segs

pytestmark = [pytest.mark.client, pytest.mark.accept, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def one_station(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Station]:
    """Two patients on the embedded store."""
    yield from embedded(tmp_path_factory.mktemp("extension"), DEMO[:2])


@pytest.fixture
def reader(one_station: Station, shots: Path) -> Iterator[ExtensionReader]:
    """A reader whose browser knows nothing of earlier tests; at the end nothing has gone wrong."""
    with browser_page(one_station.address) as page:
        found = ExtensionReader(page, shots)
        yield found
        assert found.faults == []


def sent(request: Any) -> dict[str, Any]:
    """The parameters of a request."""
    text = request.post_data_buffer.decode(errors="replace")
    return dict(json.loads(text.split('name="params"\r\n\r\n')[1].split("\r\n--")[0]))


def test_a_case_from_the_list_to_its_accepted_label_and_back(one_station: Station, reader: ExtensionReader) -> None:
    series = one_station.series[0]
    volume, mask = series.build()
    i, j, k = middle_of(mask)
    modes = reader.from_the_list(series.name)
    assert modes[0].strip() == "samlabel"
    reader.choose(ORGAN)
    reader.look_at(lps(volume, (i, j, k)))
    reader.press("+ point")
    asked = sent(reader.click(lps(volume, (i, j, k))))
    assert np.abs(np.subtract(asked["foreground"], [(i, j, k)])).max() <= 1 and asked["plane"] == "axial"
    clicked = reader.voxels(ORGAN)
    check_overlay(clicked, mask.array == VALUE, series)
    reader.shot("extension-click")

    reader.press("Undo")
    reader.says("Undone")
    assert not reader.mask()[0].any()
    reader.press("Redo")
    reader.says("Done again")
    np.testing.assert_array_equal(reader.voxels(ORGAN), clicked)

    reader.page.wait_for_function(
        "() => document.querySelector('[data-samlabel=stored]').innerText.includes('Draft of')"
    )
    reader.page.reload()
    reader.ready()
    reader.says("Restored: your draft of")
    np.testing.assert_array_equal(reader.voxels(ORGAN), clicked)

    reader.press("Submit")
    reader.says(f"Submitted: {ORGAN}")
    (seg,) = segs(one_station, series)
    assert int(seg.pixel_array.sum()) == int(clicked.sum())
    kept = httpx.get(f"{one_station.address}/labels/{series.uid('series')}", timeout=60).json()
    assert (kept["event"], kept["clicks"]) == ("accepted", 1)
    reader.shot("extension-submitted")

    reader.page.reload()
    reader.ready()
    assert not reader.mask()[0].any()
    reader.press("Re-open")
    reader.says("Loaded")
    np.testing.assert_array_equal(reader.voxels(ORGAN), clicked)
    reader.press("Withdraw")
    reader.says("Withdrawn")
    assert one_station.completed() == 0

    reader.press("Next case")
    reader.page.wait_for_function("old => !location.search.includes(old)", arg=series.uid("study"))
    reader.ready()
    reader.says("This case:")


def test_every_prompt_in_its_pane_and_one_undo_for_all(one_station: Station, reader: ExtensionReader) -> None:
    series = one_station.series[1]
    volume, mask = series.build()
    i, j, k = middle_of(mask)
    reader.open(series.uid("study"))
    reader.choose(ORGAN)
    reader.look_at(lps(volume, (i, j, k)))
    shown = [reader.voxels(ORGAN)]
    inside = np.argwhere(mask.array[:, :, k] == VALUE)
    low, high = inside.min(0) - 2, inside.max(0) + 2
    reader.press("box")
    asked = sent(reader.draw(lps(volume, (*low, k)), lps(volume, (*high, k))))
    assert asked["foreground"] == [] and np.abs(np.subtract(asked["roi"][::2], (*low, k))).max() <= 1
    check_overlay(reader.voxels(ORGAN), mask.array == VALUE, series)
    shown.append(reader.voxels(ORGAN))
    reader.press("+ scribble")
    asked = sent(reader.draw(lps(volume, (i - 4, j, k)), lps(volume, (i + 4, j + 2, k))))
    assert {voxel[2] for voxel in asked["foreground_scribble"]} == {k} and len(asked["foreground_scribble"]) >= 8
    shown.append(reader.voxels(ORGAN))
    reader.press("brush")
    reader.page.wait_for_timeout(500)
    reader.drag(lps(volume, (i - 30, j, k)), lps(volume, (i - 24, j, k)))
    reader.page.wait_for_timeout(1500)
    assert reader.voxels(ORGAN).sum() > shown[-1].sum()
    reader.shot("extension-prompts")
    for before in reversed(shown):
        reader.press("Undo")
        reader.says("Undone")
        np.testing.assert_array_equal(reader.voxels(ORGAN), before)
    assert reader.page.is_disabled("#samlabel button:text-is('Undo')")

    # the first click in another pane is a prompt there
    reader.pane = "mpr-sagittal"
    place = middle_of(mask, axis=0)
    reader.look_at(lps(volume, place))
    reader.press("+ point")
    assert sent(reader.click(lps(volume, place)))["plane"] == "sagittal"
    found, true = reader.voxels(ORGAN)[place[0]], mask.array[place[0]] == VALUE
    assert np.abs(np.subtract(ndimage.center_of_mass(found), ndimage.center_of_mass(true))).max() <= 2
    reader.press("Discard draft")
    reader.says("The draft is gone")
    assert not reader.mask()[0].any()


def test_locked_labels_keep_their_voxels_and_proposals_wait_to_be_taken(
    one_station: Station, reader: ExtensionReader
) -> None:
    series = one_station.series[1]
    volume, mask = series.build()
    i, j, k = middle_of(mask)
    reader.open(series.uid("study"))
    reader.choose(ORGAN)
    reader.look_at(lps(volume, (i, j, k)))
    reader.press("+ point")
    reader.click(lps(volume, (i, j, k)))
    own = reader.voxels(ORGAN)
    reader.page.click(f"[aria-label='Lock {ORGAN}']")
    reader.page.check("text=may overwrite other labels")
    reader.unfold("propose")
    reader.press("Propose")
    reader.says("Proposed:")
    reader.shot("extension-proposed")
    np.testing.assert_array_equal(reader.mask()[0] > 0, own)  # shown, and not taken yet
    reader.press("Take all")
    reader.says("Taken:")
    assert (reader.mask()[0] > 0).sum() > own.sum()
    np.testing.assert_array_equal(reader.voxels(ORGAN), own)
    reader.press("Undo")
    np.testing.assert_array_equal(reader.mask()[0] > 0, own)

    reader.page.check("[data-samlabel=doubt]")
    reader.page.wait_for_function("() => document.querySelector('[data-samlabel=expected]').innerText")
    assert "Dice to expect" in reader.reads("expected")
    reader.shot("extension-uncertainty")
    reader.press("Discard draft")
    reader.says("The draft is gone")


def test_nothing_covers_a_pane_and_every_control_has_a_name(one_station: Station, reader: ExtensionReader) -> None:
    reader.open(one_station.series[0].uid("study"))
    for section in ("propose", "learning"):
        reader.unfold(section)
    panel = reader.page.query_selector("#samlabel").bounding_box()
    for pane in reader.page.query_selector_all("[data-cy=viewport-grid] canvas.cornerstone-canvas"):
        box = pane.bounding_box()
        assert box["x"] + box["width"] <= panel["x"] + 1
    unnamed = reader.page.evaluate(
        """() => [...document.querySelectorAll('#samlabel :is(button, input, select, summary, progress)')]
             .filter(e => !(e.getAttribute('aria-label') || e.closest('label')?.innerText.trim()
                            || e.textContent.trim()))
             .map(e => e.outerHTML)"""
    )
    assert unnamed == []
    reader.page.mouse.move(200, 400)
    reader.page.keyboard.press("]")
    assert reader.page.get_attribute("#samlabel .sl-active [data-label]", "data-label") == "spleen"
    reader.page.keyboard.press("b")
    assert reader.page.get_attribute("#samlabel button:text-is('box')", "aria-pressed") == "true"
