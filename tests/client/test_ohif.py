"""The whole way in the real viewer: open, click, correct, submit, next, re-open, amend."""

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from dicomweb_client import DICOMwebClient
from pydicom import Dataset
from scipy import ndimage

from sam_infer.imaging.volume import Mask, Volume
from sam_trainer.synthetic.patients import ABDOMEN_LABELS
from sam_trainer.training.progress import Progress
from sam_trainer.training.run_round import PROGRESS_FILE, training_folder
from samlabel.dicom.demo import DEMO, MATRIX, DemoSeries, demo_dicom
from samlabel.dicom.seg_write import referenced_series
from samlabel.wire.doubt_reply import unpacked
from tests.client.browser import PATIENCE_MS, Reader, browser, browser_page, new_page
from tests.client.stations import Station, serving, through
from tests.processes import HANG_S

pytestmark = [pytest.mark.client, pytest.mark.slow]

# Once is enough for what has nothing to do with the archive.
EMBEDDED = pytest.mark.parametrize("station", ["embedded"], indirect=True, scope="module")

LPS = np.array([-1.0, -1.0, 1.0])
ORGAN = "spleen"
VALUE = next(value for value, name in ABDOMEN_LABELS.items() if name == ORGAN)


def middle_of(mask: Mask, value: int = VALUE, axis: int = 2) -> tuple[int, int, int]:
    """The voxel deepest inside the organ, on the slice that shows most of it while it touches nothing else.

    Where two organs touch, one click may rightly mean both: that asks the network, not the geometry.
    """
    organ = mask.array == value
    across = tuple(a for a in range(3) if a != axis)
    around = ndimage.binary_dilation(organ, np.expand_dims(np.ones((5, 5)), axis)) & ~organ
    alone = ~(around & (mask.array > 0)).any(axis=across)
    index = int((organ.sum(axis=across) * alone).argmax())
    depth = ndimage.distance_transform_edt(np.pad(organ.take(index, axis), 1))[1:-1, 1:-1]
    place = [int(v) for v in np.unravel_index(int(depth.argmax()), depth.shape)]
    place.insert(axis, index)
    return place[0], place[1], place[2]


def lps(volume: Volume, index: tuple[float, ...]) -> np.ndarray:
    return volume.geometry.to_world([index])[0] * LPS


def dice(a: np.ndarray, b: np.ndarray) -> float:
    return float(2 * (a & b).sum() / max(a.sum() + b.sum(), 1))


def segs(station: Station, series: DemoSeries) -> list[Dataset]:
    client = station.client()
    found = client.search_for_series(series.uid("study"), search_filters={"Modality": "SEG"})
    return [client.retrieve_series(series.uid("study"), entry["0020000E"]["Value"][0])[0] for entry in found]


def click_the_organ(reader: Reader, series: DemoSeries) -> tuple[np.ndarray, np.ndarray, tuple[int, int, int]]:
    """Click once on the organ: what is shown on that slice, what is true, and where."""
    volume, mask = series.build()
    i, j, k = middle_of(mask)
    reader.choose(ORGAN)
    reader.look_at(lps(volume, (i, j, k)))
    reader.tool("+ point")
    reader.click(lps(volume, (i, j, k)))
    shown, names = reader.mask()
    value = next(number for number, name in names.items() if name == ORGAN)
    return shown == value, mask.array == VALUE, (i, j, k)


def check_overlay(shown: np.ndarray, true: np.ndarray, series: DemoSeries) -> None:
    """One slice, at the right place: Dice at least 0.8 there, centroid within two voxels."""
    axes = [axis for axis in range(3) if len(np.unique(np.nonzero(shown)[axis])) == 1]
    assert len(axes) == 1, "exactly one slice changes"
    index = int(np.nonzero(shown)[axes[0]][0])
    a, b = shown.take(index, axes[0]), true.take(index, axes[0])
    assert dice(a, b) >= 0.8, (series.name, dice(a, b))
    offset = np.subtract(ndimage.center_of_mass(a), ndimage.center_of_mass(b))
    assert np.abs(offset).max() <= 2, (series.name, offset)


def test_a_reader_annotates_a_case(station: Station, shots: Path) -> None:
    first = station.series[0]
    with browser_page(station.address) as page:
        foreign: list[str] = []
        page.on("request", lambda request: foreign.append(request.url) if "qido" in request.url else None)
        reader = Reader(page, shots)
        assert len(reader.listed()) == len(station.series)
        reader.shot("list")
        foreign.clear()
        reader.open(first.uid("study"))
        shown, true, (i, j, k) = click_the_organ(reader, first)
        reader.shot("clicked")
        check_overlay(shown, true, first)
        # only the patient who is open is asked for, and shown
        own = (f"00100020={first.name}", f"StudyInstanceUID={first.uid('study')}")
        assert foreign and all(any(key in url for key in own) for url in foreign), foreign
        studies = [study for url in foreign for study in httpx.get(url, timeout=HANG_S).json()]
        assert studies and {study["00100020"]["Value"][0] for study in studies} == {first.name}
        # every patient's study is of that day; Orthanc does not tell the viewer what studies are called
        from playwright.sync_api import expect

        expect(page.get_by_text("05-Jan-2026").filter(visible=True)).to_have_count(1, timeout=PATIENCE_MS)

        volume, _ = first.build()
        before = int(shown.sum())
        reader.tool("brush")
        reader.drag(lps(volume, (i, j, k)), lps(volume, (i + 12, j + 12, k)))
        painted, names = reader.mask()
        value = next(number for number, name in names.items() if name == ORGAN)
        assert int((painted == value).sum()) > before
        reader.shot("corrected")
        reader.tool("undo")
        assert int((reader.mask()[0] == value).sum()) == before
        reader.drag(lps(volume, (i, j, k)), lps(volume, (i + 12, j + 12, k)))
        painted, _ = reader.mask()

        reader.tool("Submit label")
        reader.says("Submitted: spleen")
        reader.shot("submitted")
        (seg,) = segs(station, first)
        assert referenced_series(seg) == first.uid("series")
        assert [item.SegmentLabel for item in seg.SegmentSequence] == [ORGAN]
        assert {item.SegmentAlgorithmType for item in seg.SegmentSequence} == {"SEMIAUTOMATIC"}
        assert int(seg.pixel_array.sum()) == int((painted == value).sum())
        kept = httpx.get(f"{station.address}/labels/{first.uid('series')}", timeout=HANG_S).json()
        assert (kept["event"], kept["clicks"], kept["adapter"]) == ("accepted", 1, "none")
        assert 0 < kept["edit_distance"] < 1 and kept["seconds"] > 0

        reasons: list[str] = []

        def listen(route: Any) -> None:
            answer = route.fetch()
            reasons.append(answer.json()["why"])
            route.fulfill(response=answer)

        page.route("**/activelearning/**", listen)
        reader.tool("Next case")
        page.wait_for_function("old => !location.search.includes(old)", arg=first.uid("study"))
        reader.ready()
        assert reasons[0] and reader.status() == f"This case: {reasons[0]}."
        assert reader.study() in {series.uid("study") for series in station.series[1:]}
        reader.shot("next")

        reader.open(first.uid("study"))
        reader.tool("re-open")
        reader.says("Loaded")
        again, _ = reader.mask()
        np.testing.assert_array_equal(again == value, painted == value)
        reader.choose(ORGAN)
        reader.look_at(lps(volume, (i, j, k)))
        reader.tool("eraser")
        reader.drag(lps(volume, (i, j, k)), lps(volume, (i + 8, j, k)))
        reader.tool("Submit label")
        reader.says("Submitted: spleen")
        assert sorted(int(s.pixel_array.sum()) for s in segs(station, first))[0] < int((painted == value).sum())
        reader.tool("withdraw")
        reader.says("Withdrawn")
        assert station.completed() == 0


@pytest.mark.accept
@pytest.mark.parametrize("series", MATRIX, ids=lambda s: s.name)
def test_a_click_lands_where_it_was_made(matrix_station: Station, shots: Path, series: DemoSeries) -> None:
    with browser_page(matrix_station.address) as page:
        reader = Reader(page, shots)
        reader.open(series.uid("study"))
        shown, true, _ = click_the_organ(reader, series)
        reader.shot(series.name.lower())
        check_overlay(shown, true, series)
        reader.tool("undo")
        reader.says("Undone")
        assert not reader.mask()[0].any()


@EMBEDDED
def test_a_click_in_any_pane_becomes_an_object_in_3d(station: Station, shots: Path) -> None:
    series = station.series[0]
    volume, mask = series.build()
    organ = "kidney_right"
    true = mask.array == next(value for value, name in ABDOMEN_LABELS.items() if name == organ)
    with browser_page(station.address) as page:
        reader = Reader(page, shots)
        reader.open(series.uid("study"))
        reader.afresh()
        reader.choose(organ)
        reader.in_3d()
        reader.tool("+ point")
        # the demo's grid is axial and not oblique: i runs across sagittal slices, j across coronal ones
        for axis, plane in enumerate(("sagittal", "coronal", "axial")):
            reader.pane = f"mpr-{plane}"
            place = middle_of(mask, int(mask.array[true][0]), axis)
            reader.look_at(lps(volume, place))
            with page.expect_response(lambda r: "/infer/" in r.url) as answer:
                page.mouse.click(*reader.pixel_of(lps(volume, place)))
            assert "/infer/sam_3d" in answer.value.url and f'"plane":"{plane}"' in answer.value.request.post_data
            reader.says("score")
            page.wait_for_timeout(500)
            shown, names = reader.mask()
            found = shown == next(number for number, name in names.items() if name == organ)
            reader.shot(f"3d-{plane}")
            offset = np.subtract(ndimage.center_of_mass(found), ndimage.center_of_mass(true))
            assert np.abs(offset).max() <= 2, (plane, offset)
            assert dice(found, true) >= 0.8, (plane, dice(found, true))
            if plane != "axial":
                reader.tool("undo")
                reader.says("Undone")
                assert not reader.mask()[0].any()
        # the last object is not undone: only then is there surely a draft
        reader.draft_kept()
        reader.tool("discard draft")
        reader.says("The draft is gone")
        assert not reader.mask()[0].any()


@pytest.mark.accept
def test_a_draft_survives_a_server_that_is_killed(tmp_path: Path, shots: Path) -> None:
    series = DEMO[0]
    files = str(demo_dicom(tmp_path / "files", DEMO[:1]))
    with serving(files, tmp_path, kill=True) as address, browser_page(address) as page:
        reader = Reader(page, shots)
        reader.open(series.uid("study"))
        shown, _, _ = click_the_organ(reader, series)
        reader.draft_kept()
    with serving(files, tmp_path, kill=True) as address, browser_page(address) as page:
        reader = Reader(page, shots)
        reader.open(series.uid("study"))
        reader.says("Restored: your draft of")
        np.testing.assert_array_equal(reader.mask()[0] > 0, shown)
        assert len(reader.prompts()) == 1
        reader.tool("Submit label")
        reader.says("Submitted")
    with serving(files, tmp_path) as address:
        archive = DICOMwebClient(through(address))
        assert len(archive.search_for_series(search_filters={"Modality": "SEG"})) == 1
        assert Station(address, "", ()).completed() == 1
        drafts = httpx.get(
            f"{address}/datastore/label/info?label={series.uid('series')}&tag=draft_local", timeout=HANG_S
        )
        assert drafts.json() == {}


@EMBEDDED
def test_two_readers_keep_their_drafts_and_get_two_cases(station: Station, shots: Path) -> None:
    first, second = station.series
    volume, _ = first.build()
    with browser() as chromium:
        anna = Reader(new_page(chromium, station.address), shots)
        anna.open(first.uid("study"))
        anna.called("anna")
        assert "yours while it is open" in anna.reads("lease")
        shown, _, (i, j, k) = click_the_organ(anna, first)
        anna.draft_kept()

        # A training is under way: its own progress file, as the trainer's process writes it.
        progress = Progress(training_folder("tiny", station.home) / PROGRESS_FILE, total_epochs=10)
        progress.step(0.3, 3, 0.5)
        progress.validated(3, 0.8, 0.81, 2)

        bert = Reader(new_page(chromium, station.address), shots)
        bert.open(first.uid("study"))
        assert "(training, 28 %): epoch 3 of 10, best Dice 81 %" in bert.reads("training")
        progress.finish("done", "promoted: 0.81 instead of 0.79")
        assert "Restored" not in bert.status() and not bert.mask()[0].any()
        bert.called("bert")
        assert "anna has this case open" in bert.reads("lease")
        bert.shot("leased")
        bert.tool("Next case")
        bert.page.wait_for_function("old => !location.search.includes(old)", arg=first.uid("study"))
        bert.ready()
        assert bert.study() == second.uid("study")
        bert.tool("Next case")
        bert.says("No other case is left")
        bert.page.close()

        anna.page.reload()
        anna.ready()
        assert anna.reads("training") == "Last training: promoted: 0.81 instead of 0.79"
        anna.says("Restored: your draft of")
        np.testing.assert_array_equal(anna.mask()[0] > 0, shown)
        (point,) = anna.prompts()
        np.testing.assert_allclose(point, lps(volume, (i, j, k)), atol=2.0)

        # a crash of the page; the next one belongs to the same person
        context = anna.page.context
        with suppress(Exception):
            anna.page.goto("chrome://crash", timeout=5_000)
        anna = Reader(context.new_page(), shots)
        anna.open(first.uid("study"))
        anna.says("Restored: your draft of")
        anna.choose(ORGAN)
        anna.look_at(lps(volume, (i, j, k)))
        anna.tool("+ point")
        with anna.page.expect_request(lambda r: "/infer/" in r.url) as asked:
            anna.click(lps(volume, (i + 8, j, k)))  # nearer would take hold of the first point
        assert len(sent_params(asked.value)["foreground"]) == 2  # the point from before the crash counts
        anna.shot("restored")
        anna.tool("discard draft")
        anna.says("The draft is gone")
        assert not anna.mask()[0].any() and anna.prompts() == []
        anna.page.reload()
        anna.ready()
        assert "Restored" not in anna.status()


def sent_params(request: Any) -> dict[str, Any]:
    """The parameters in a request that the companion made."""
    text = request.post_data_buffer.decode(errors="replace")
    return dict(json.loads(text.split('name="params"\r\n\r\n')[1].split("\r\n--")[0]))


@pytest.mark.accept
@EMBEDDED
def test_under_another_build_the_companion_says_so_and_the_stock_panel_works(station: Station, shots: Path) -> None:
    series = station.series[0]
    volume, mask = series.build()
    point = lps(volume, middle_of(mask))

    def other_build(route: Any) -> None:
        answer = route.fetch()
        route.fulfill(response=answer, body=answer.text().replace('data-build="known"', 'data-build="unknown"'))

    with browser_page(station.address) as page:
        # A build that keeps its commands to itself.
        page.add_init_script("Object.defineProperty(window, 'commandsManager', { get() {}, set() {} })")
        page.route("**/ohif/monai-label*", other_build)
        reader = Reader(page, shots)
        page.goto(f"/ohif/monai-label?StudyInstanceUIDs={series.uid('study')}")
        page.wait_for_selector("#samlabel")
        assert "(commandsManager) did not appear; the stock panel works" in reader.says("did not appear")
        assert "another build" in reader.reads("notice")
        page.wait_for_function(
            "() => services.cornerstoneViewportService.viewportsById.get('mpr-axial')"
            "?.viewportData?.data?.[0]?.volume?.loadStatus?.loaded"
        )
        page.fill("#monailabelServerURL", station.address)
        page.click(".settingsTable button.actionButton")
        page.click("label.tab-label:has-text('Point Prompts')")
        tab = page.locator("div.tab", has_text="Point Prompts")
        tab.locator("select.selectBox").select_option("sam_2d")
        tab.locator("tr.clickable-row", has=page.locator(f"td:text-is('{ORGAN}')")).click()
        reader.look_at(point)
        page.mouse.click(*reader.pixel_of(point))
        page.wait_for_function("() => cornerstoneTools.annotation.state.getAllAnnotations().length")
        with page.expect_response(lambda r: "/infer/sam_2d" in r.url) as answered:
            tab.locator("button.actionButton", has_text="Run").click()
        assert answered.value.ok
        page.wait_for_timeout(1500)
        shown, names = reader.mask()
        reader.shot("stock")
        check_overlay(shown == next(n for n, name in names.items() if name == ORGAN), mask.array == VALUE, series)


@EMBEDDED
def test_a_box_is_answered_and_taken_back(station: Station, shots: Path) -> None:
    series = station.series[1]
    volume, mask = series.build()
    i, j, k = middle_of(mask)
    inside = np.argwhere(mask.array[:, :, k] == VALUE)
    low, high = inside.min(0) - 2, inside.max(0) + 2
    with browser_page(station.address) as page:
        reader = Reader(page, shots)
        reader.open(series.uid("study"))
        reader.afresh()
        reader.choose(ORGAN)
        reader.look_at(lps(volume, (i, j, k)))
        reader.tool("box")
        with page.expect_response(lambda r: "/infer/" in r.url) as answered:
            reader.drag(lps(volume, (*low, k)), lps(volume, (*high, k)))
        sent = sent_params(answered.value.request)
        assert sent["foreground"] == [] and np.abs(np.subtract(sent["roi"][::2], (*low, k))).max() <= 1
        reader.says("score")
        page.wait_for_timeout(500)
        reader.shot("box")
        shown, names = reader.mask()
        check_overlay(shown == next(n for n, name in names.items() if name == ORGAN), mask.array == VALUE, series)
        reader.tool("undo")
        reader.says("Undone")
        assert not reader.mask()[0].any()


@EMBEDDED
def test_doubt_lies_over_the_mask_until_something_changes(station: Station, shots: Path) -> None:
    series = station.series[1]
    volume, _ = series.build()
    with browser_page(station.address) as page:
        reader = Reader(page, shots)
        reader.open(series.uid("study"))
        reader.afresh()
        reader.show_doubt()
        assert "with the next answer" in reader.status() and reader.doubt()[0] == 0
        with page.expect_response(lambda r: "output=json" in r.url) as answered:
            _, _, (i, j, k) = click_the_organ(reader, series)
        told = answered.value.json()["uncertainty"]
        doubt = unpacked(told, volume.geometry.shape)
        page.wait_for_function("() => document.querySelector('#samlabel [data-samlabel=expected]').innerText")
        assert f"Dice to expect: {told['expected_dice'][ORGAN]:.2f}" in reader.reads("expected")
        before, _ = reader.mask()
        much, centre = reader.doubt()
        reader.shot("doubt")
        true = lps(volume, tuple(ndimage.center_of_mass(doubt)))
        assert much > 0 and np.abs(true - centre).max() <= 2 * max(volume.geometry.spacing_mm[:2]), (true, centre)
        reader.look_at(lps(volume, (i, j, k + 2)))
        assert reader.doubt()[0] == 0  # it is about one slice
        reader.look_at(lps(volume, (i, j, k)))
        assert reader.doubt()[0] == much
        reader.show_doubt(False)
        assert reader.doubt()[0] == 0 and reader.reads("expected") == ""
        reader.show_doubt()
        assert reader.doubt()[0] == much
        np.testing.assert_array_equal(reader.mask()[0], before)  # part of no label
        with page.expect_response(lambda r: "output=json" in r.url):
            reader.click(lps(volume, (i + 8, j, k)))
        page.wait_for_function("() => document.querySelector('#samlabel [data-samlabel=expected]').innerText")
        assert reader.doubt()[0] > 0
        reader.tool("undo")
        reader.says("Undone: the last prompt")
        assert reader.doubt()[0] == 0 and reader.reads("expected") == ""
        reader.tool("undo")
        page.wait_for_timeout(500)
        assert not reader.mask()[0].any()
