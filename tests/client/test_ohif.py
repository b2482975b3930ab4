"""Our mode in the real viewer, the whole way: list, prompts, undo, 3D, proposals, submit, come back, next case."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest
from scipy import ndimage

from sam_trainer.synthetic.patients import ABDOMEN_LABELS
from samlabel.dicom.demo import DEMO, DemoSeries
from samlabel.dicom.seg_write import referenced_series
from samlabel.wire.doubt_reply import unpacked
from tests.client.browser import browser_page
from tests.client.conftest import embedded
from tests.client.phantom import ORGAN, VALUE, check_overlay, dice, lps, middle_of, segs
from tests.client.reader import Reader, answers_a_prompt, sent
from tests.client.stations import Station
from tests.processes import HANG_S

pytestmark = [pytest.mark.client, pytest.mark.slow]

OTHER = "kidney_right"


@pytest.fixture(scope="module")
def one_station(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Station]:
    """Two patients on the embedded store, and a server as everybody starts it."""
    yield from embedded(tmp_path_factory.mktemp("station"), DEMO[:2], conf=())


@pytest.fixture
def reader(one_station: Station, shots: Path) -> Iterator[Reader]:
    """A reader whose browser knows nothing of earlier tests; at the end nothing has gone wrong."""
    with browser_page(one_station.address) as page:
        found = Reader(page, shots)
        yield found
        assert found.faults == []


def test_a_case_from_the_list_to_its_accepted_label_and_back(one_station: Station, reader: Reader) -> None:
    series = one_station.series[0]
    modes = reader.from_the_list(series.patient)
    assert modes[0] == "samlabel"
    prompts_and_undo(reader, series)
    candidates_and_uncertainty(reader, series)
    shown = one_object_in_3d(reader, series)
    proposals(reader, shown)
    taken = one_proposal_corrected(reader, series)
    another_label(reader, series)
    submitted = submit(one_station, reader, series, taken)
    reopen_and_withdraw(one_station, reader, submitted)

    reader.press("Next case")
    reader.until("old => !location.search.includes(old)", series.uid("study"))
    reader.ready()
    assert reader.study() == one_station.series[1].uid("study")
    assert "This case: " in reader.says("This case: ")


def prompts_and_undo(reader: Reader, series: DemoSeries) -> None:
    """Every kind of prompt and the brush; back step by step, and forth again."""
    volume, mask = series.build()
    i, j, k = middle_of(mask)
    true = mask.array == VALUE
    inside = np.argwhere(true[:, :, k])
    low, high = inside.min(0) - 2, inside.max(0) + 2
    reader.choose(ORGAN)
    reader.look_at(lps(volume, (i, j, k)))
    shown = [reader.voxels(ORGAN)]

    reader.press("+ point")
    asked = sent(reader.click(lps(volume, (i, j, k))))
    assert np.abs(np.subtract(asked["foreground"], [(i, j, k)])).max() <= 1 and asked["plane"] == "axial"
    shown.append(reader.voxels(ORGAN))
    check_overlay(shown[-1], true, series)
    reader.press("box")
    asked = sent(reader.draw(lps(volume, (*low, k)), lps(volume, (*high, k))))
    assert np.abs(np.subtract(asked["roi"][::2], (*low, k))).max() <= 1
    shown.append(reader.voxels(ORGAN))
    check_overlay(shown[-1], true, series)
    reader.press("+ scribble")
    asked = sent(reader.draw(lps(volume, (i - 4, j, k)), lps(volume, (i + 4, j + 2, k))))
    assert {voxel[2] for voxel in asked["foreground_scribble"]} == {k} and len(asked["foreground_scribble"]) >= 8
    shown.append(reader.voxels(ORGAN))
    reader.press("+ lasso")
    middle, radii = (low + high) / 2, (high - low) / 2
    around = [middle + radii * (np.cos(turn), np.sin(turn)) for turn in np.linspace(0, 6, 13)]
    asked = sent(reader.draw(*(lps(volume, (*place, k)) for place in around)))
    assert len(asked["foreground_lasso"]) == 1 and {corner[2] for corner in asked["foreground_lasso"][0]} == {k}
    shown.append(reader.voxels(ORGAN))
    check_overlay(shown[-1], true, series)
    reader.take("brush")
    reader.drag(lps(volume, (i - 30, j, k)), lps(volume, (i - 24, j, k)))
    shown.append(reader.painted(ORGAN, shown[-1]))
    reader.shot("panel-prompts")

    for before in reversed(shown[:-1]):
        reader.press("Undo")
        reader.says("Undone")
        np.testing.assert_array_equal(reader.voxels(ORGAN), before)
    assert reader.page.is_disabled("#samlabel button:text-is('Undo')")
    for after in shown[1:]:
        reader.press("Redo")
        reader.says("Done again")
        np.testing.assert_array_equal(reader.voxels(ORGAN), after)
    while reader.page.is_enabled("#samlabel button:text-is('Undo')"):
        reader.press("Undo")
        reader.page.wait_for_timeout(100)
    assert not reader.mask()[0].any()


def candidates_and_uncertainty(reader: Reader, series: DemoSeries) -> None:
    """One click: the other masks are a key away, and what the network is unsure of lies over the image."""
    volume, mask = series.build()
    i, j, k = middle_of(mask)
    reader.press("+ point")
    with reader.page.expect_response(lambda r: "output=json" in r.url and answers_a_prompt(r)) as answered:
        reader.page.check("[data-samlabel=doubt]")
        reader.click(lps(volume, (i, j, k)))
    told = answered.value.json()["uncertainty"]
    reader.until("() => document.querySelector('[data-samlabel=expected]').innerText")
    assert f"Dice to expect: {told['expected_dice'][ORGAN]:.2f}" in reader.reads("expected")
    much, centre = reader.doubt()
    true = lps(volume, tuple(ndimage.center_of_mass(unpacked(told, volume.geometry.shape))))
    assert much > 0 and np.abs(true - centre).max() <= 2 * max(volume.geometry.spacing_mm[:2]), (true, centre)
    reader.shot("panel-uncertainty")
    first = reader.voxels(ORGAN)
    with reader.page.expect_response(lambda r: "output=all" in r.url) as answered:
        reader.page.keyboard.press("2")
    assert sent(answered.value.request)["candidate"] == 1
    reader.page.wait_for_selector("#samlabel [aria-label='Candidate 2'][aria-pressed=true]")
    reader.page.uncheck("[data-samlabel=doubt]")
    assert reader.doubt()[0] == 0
    while not np.array_equal(reader.voxels(ORGAN), first):
        reader.press("Undo")
        reader.says("Undone")


def one_object_in_3d(reader: Reader, series: DemoSeries) -> np.ndarray:
    """A click through all slices: a bar shows how far it is, it can be stopped; what is shown then."""
    volume, mask = series.build()
    value = next(value for value, name in ABDOMEN_LABELS.items() if name == OTHER)
    reader.choose(OTHER)
    reader.in_3d()
    reader.pane = "mpr-coronal"
    place = middle_of(mask, value, axis=1)
    reader.look_at(lps(volume, place))
    reader.press("+ point")
    reader.watch_the_bar()
    reader.cancel_the_next()
    reader.page.mouse.click(*reader.pixel_of(lps(volume, place)))
    reader.says("Stopped: nothing was changed")
    assert not reader.voxels(OTHER).any()
    with reader.page.expect_response(lambda r: "/infer/sam_3d" in r.url) as answered:
        reader.press("Run")
    assert sent(answered.value.request)["plane"] == "coronal"
    reader.says("score")
    assert any(" slices" in told and " of " in told for told in reader.bar_said()), reader.bar_said()
    found, true = reader.voxels(OTHER), mask.array == value
    assert dice(found, true) >= 0.8
    assert np.abs(np.subtract(ndimage.center_of_mass(found), ndimage.center_of_mass(true))).max() <= 2
    reader.shot("panel-3d")
    reader.in_3d(False)
    reader.pane = "mpr-axial"
    return reader.mask()[0]


def proposals(reader: Reader, shown: np.ndarray) -> None:
    """They wait to be taken, and no locked label loses a voxel."""
    own = reader.voxels(OTHER)
    reader.page.click(f"[aria-label='Lock {OTHER}']")
    reader.page.check("text=may overwrite other labels")
    reader.unfold("propose")
    reader.press("Propose")
    reader.says("Proposed:")
    reader.shot("panel-proposed")
    np.testing.assert_array_equal(reader.mask()[0], shown)
    reader.press("Take all")
    reader.says("Taken:")
    assert (reader.mask()[0] > 0).sum() > (shown > 0).sum()
    np.testing.assert_array_equal(reader.voxels(OTHER), own)
    reader.press("Undo")
    np.testing.assert_array_equal(reader.mask()[0], shown)
    reader.page.click(f"[aria-label='Unlock {OTHER}']")


def one_proposal_corrected(reader: Reader, series: DemoSeries) -> str:
    """By the mode that the panel recommends: it says why, one label is taken, and a click corrects it."""
    assert reader.page.input_value("[aria-label='How labels are proposed']") == "best"
    reader.press("Propose")
    reader.says("Proposed:")
    assert "propose, no accepted case says where it is" in reader.reads("proposal")
    offered = reader.page.locator("#samlabel [data-samlabel=proposal] button").all_inner_texts()
    name = next(text.removeprefix("Take ") for text in offered if text.removeprefix("Take ") not in (ORGAN, OTHER))
    reader.press(f"Take {name}")
    reader.says("Taken:")
    reader.page.uncheck("text=may overwrite other labels")
    reader.choose(name)
    reader.press("+ point")
    inside = np.argwhere(reader.voxels(name))
    asked = sent(reader.click(lps(series.build()[0], tuple(inside[len(inside) // 2]))))
    assert asked["label"] == name and reader.voxels(name).any()
    return name


def another_label(reader: Reader, series: DemoSeries) -> None:
    """A name that the server was not set up with can be prompted and drawn all the same."""
    volume, mask = series.build()
    place = lps(volume, middle_of(mask))
    reader.look_at(place)
    reader.page.fill("[aria-label='Name of another label']", "cyst")
    reader.press("Add")
    assert reader.page.get_attribute("#samlabel .sl-active [data-label]", "data-label") == "cyst"
    reader.page.check("text=may overwrite other labels")
    reader.press("+ point")
    assert "label" not in sent(reader.click(place))
    assert reader.voxels("cyst").any() and not reader.voxels(ORGAN).any()
    reader.press("Undo")
    reader.says("Undone")


def submit(station: Station, reader: Reader, series: DemoSeries, taken: str) -> np.ndarray:
    """The archive has what is shown, and the server knows how it came about."""
    shown, _ = reader.mask()
    reader.press("Submit")
    reader.says("Submitted: ")
    (seg,) = segs(station, series)
    assert referenced_series(seg) == series.uid("series")
    assert {item.SegmentLabel for item in seg.SegmentSequence} == {ORGAN, OTHER, taken}
    assert {item.SegmentAlgorithmType for item in seg.SegmentSequence} == {"SEMIAUTOMATIC"}
    assert int(seg.pixel_array.sum()) == int((shown > 0).sum())
    kept = httpx.get(f"{station.address}/labels/{series.uid('series')}", timeout=HANG_S).json()
    assert (kept["event"], kept["adapter"]) == ("accepted", "none") and kept["clicks"] >= 2 and kept["seconds"] > 0
    reader.shot("submitted")
    return shown


def reopen_and_withdraw(station: Station, reader: Reader, submitted: np.ndarray) -> None:
    """Another day: the label comes back, may be corrected, and taken back."""
    reader.page.reload()
    reader.ready()
    assert not reader.mask()[0].any()
    reader.press("Re-open")
    reader.says("Loaded")
    np.testing.assert_array_equal(reader.mask()[0], submitted)
    reader.press("Withdraw")
    reader.says("Withdrawn")
    assert station.completed() == 0


def test_a_click_lands_where_it_was_made(matrix_station: Station, shots: Path) -> None:
    with browser_page(matrix_station.address) as page:
        reader = Reader(page, shots)
        for series in matrix_station.series:
            reader.open(series.uid("study"))
            volume, mask = series.build()
            place = middle_of(mask)
            reader.choose(ORGAN)
            reader.look_at(lps(volume, place))
            reader.press("+ point")
            reader.click(lps(volume, place))
            reader.shot(series.name.lower())
            check_overlay(reader.voxels(ORGAN), mask.array == VALUE, series)
        assert reader.faults == []
