"""Nothing that was drawn is lost: a reload, a crash of the tab, a killed server; and two readers do not meet."""

from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

from sam_trainer.training.progress import Progress
from sam_trainer.training.run_round import PROGRESS_FILE, training_folder
from samlabel.dicom.demo import DEMO, DemoSeries, demo_dicom
from tests.client.browser import browser, browser_page, new_page
from tests.client.conftest import QUIET, embedded
from tests.client.phantom import ORGAN, lps, middle_of, segs
from tests.client.reader import Reader, sent
from tests.client.stations import Station, free_port, serving, through

pytestmark = [pytest.mark.client, pytest.mark.slow]


def click_the_organ(reader: Reader, series: DemoSeries) -> np.ndarray:
    """Click once on the organ; what is shown then."""
    volume, mask = series.build()
    place = lps(volume, middle_of(mask))
    reader.choose(ORGAN)
    reader.look_at(place)
    reader.press("+ point")
    reader.click(place)
    return reader.voxels(ORGAN)


def test_a_server_that_is_killed_between_click_and_submit(tmp_path: Path, shots: Path) -> None:
    series, port = DEMO[1], free_port()
    files = str(demo_dicom(tmp_path / "files", (series,)))
    with browser_page(f"http://127.0.0.1:{port}") as page:
        reader = Reader(page, shots)
        with serving(files, tmp_path, kill=True, port=port, conf=QUIET):
            reader.open(series.uid("study"))
            shown = click_the_organ(reader, series)
        reader.press("Submit")
        reader.says("The server does not answer. What you drew stays here")
        np.testing.assert_array_equal(reader.voxels(ORGAN), shown)
        with serving(files, tmp_path, port=port, conf=QUIET) as address:
            reader.press("Submit")
            reader.says("Submitted: ")
            (seg,) = segs(Station(address, through(address), (series,)), series)
            assert int(seg.pixel_array.sum()) == int(shown.sum())
            assert Station(address, "", ()).completed() == 1
            reader.page.reload()
            reader.ready()
            assert "Restored" not in reader.reads("status")  # no draft is left of what was submitted
        assert reader.faults == []


def test_two_readers_keep_their_drafts_and_get_two_cases(tmp_path: Path, shots: Path) -> None:
    for station in embedded(tmp_path, DEMO[:2]):
        first, second = station.series
        with browser() as chromium:
            anna = Reader(new_page(chromium, station.address), shots)
            anna.open(first.uid("study"))
            anna.called("anna")
            assert "yours while it is open" in anna.reads("lease")
            shown = click_the_organ(anna, first)
            anna.draft_kept()

            # a training is under way: its own progress file, as the trainer's process writes it
            progress = Progress(training_folder("tiny", station.home) / PROGRESS_FILE, total_epochs=10)
            progress.step(0.3, 3, 0.5)
            progress.validated(3, 0.8, 0.81, 2)

            bert = Reader(new_page(chromium, station.address), shots)
            bert.open(first.uid("study"))
            bert.unfold("learning")
            bert.reads_in("training", "(training, 28 %): epoch 3 of 10, best Dice 81 %")
            progress.finish("done", "promoted: 0.81 instead of 0.79")
            assert "Restored" not in bert.reads("status") and not bert.mask()[0].any()
            bert.called("bert")
            bert.reads_in("lease", "anna has this case open")
            bert.shot("panel-leased")
            bert.press("Next case")
            bert.until("old => !location.search.includes(old)", first.uid("study"))
            bert.ready()
            assert bert.study() == second.uid("study")
            bert.press("Next case")
            bert.says("No other case is left")
            bert.page.close()

            anna.page.reload()
            anna.ready()
            anna.says("Restored: your draft of")
            np.testing.assert_array_equal(anna.voxels(ORGAN), shown)
            anna.unfold("learning")
            anna.reads_in("training", "Last training: promoted: 0.81 instead of 0.79")

            # a crash of the page; the next one belongs to the same person
            context = anna.page.context
            with suppress(Exception):
                anna.page.goto("chrome://crash", timeout=5_000)
            anna = Reader(context.new_page(), shots)
            anna.open(first.uid("study"))
            anna.says("Restored: your draft of")
            volume, mask = first.build()
            i, j, k = middle_of(mask)
            anna.choose(ORGAN)
            anna.look_at(lps(volume, (i, j, k)))
            anna.press("+ point")
            asked = sent(anna.click(lps(volume, (i + 8, j, k))))
            assert len(asked["foreground"]) == 2  # the point from before the crash counts
            anna.shot("restored")
            anna.press("Discard draft")
            anna.says("The draft is gone")
            assert not anna.mask()[0].any()
            anna.page.reload()
            anna.ready()
            assert "Restored" not in anna.reads("status")
            assert bert.faults + anna.faults == []
