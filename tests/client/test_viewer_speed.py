"""A bench without a verdict: from a click to its painted mask, from a study's address to its first image."""

from __future__ import annotations

import statistics
import time
from pathlib import Path
from typing import Any

import pytest

from sam_trainer.reports.record import Report
from samlabel.dicom.demo import DEMO
from tests.accept.result_rows import command, results
from tests.client.browser import browser, new_page
from tests.client.conftest import embedded
from tests.client.phantom import ORGAN, lps, middle_of
from tests.client.reader import Reader

pytestmark = [pytest.mark.client, pytest.mark.accept]

CLICKS, VISITS = 15, 5

# When the pointer went up, when the answer had come, and when the pane was drawn after the mask was written.
WATCH = """() => {
  window.seen = {};
  window.addEventListener('pointerup', () => { window.seen = {up: performance.now()}; }, true);
  const { cornerstone } = libraries();
  document.addEventListener(cornerstone.Enums.Events.IMAGE_RENDERED, ({ detail }) => {
    const told = document.querySelector('#samlabel [data-samlabel=status]').innerText;
    if (detail.viewportId === 'mpr-axial' && told.includes('score')) seen.drawn ??= performance.now();
  }, true);
}"""

TIMES = """() => {
  const [one] = performance.getEntriesByType('resource').filter(e => e.name.includes('/infer/sam_2d')).slice(-1);
  return {painted: seen.drawn - seen.up, server: one.responseEnd - one.requestStart};
}"""

FIRST_IMAGE = """() => new Promise((found) => {
  const look = () => (window.cornerstone?.getRenderingEngines?.() ?? []).some(
    e => e.getViewports().some(v => v.getImageData?.())) ? found(performance.now()) : requestAnimationFrame(look);
  look();
})"""


def clicks(reader: Reader, station_series: Any) -> list[dict[str, float]]:
    """Milliseconds of clicks on one slice."""
    volume, mask = station_series.build()
    i, j, k = middle_of(mask)
    reader.open(station_series.uid("study"))
    reader.choose(ORGAN)
    reader.look_at(lps(volume, (i, j, k)))
    reader.press("+ point")
    reader.click(lps(volume, (i, j, k)))
    reader.page.evaluate(WATCH)
    found = []
    for number in range(CLICKS):
        reader.press("Undo")
        reader.says("Undone")
        reader.page.wait_for_timeout(500)
        reader.click(lps(volume, (i + number % 5 - 2, j, k)))
        reader.page.wait_for_function("() => seen.drawn")
        found.append(reader.page.evaluate(TIMES))
    return found


def visit(chromium: Any, address: str, mode: str, study: str) -> float:
    """Milliseconds from the address of a study to its first image, in a browser that knows nothing."""
    page = new_page(chromium, address)
    page.goto(f"/ohif/{mode}?StudyInstanceUIDs={study}")
    took = float(page.evaluate(FIRST_IMAGE))
    page.context.close()
    return took


def test_click_to_paint_and_first_image(tmp_path: Path, shots: Path) -> None:
    started = time.time()
    for station in embedded(tmp_path, DEMO[:1], conf=()):
        (series,) = station.series
        with browser() as chromium:
            reader = Reader(new_page(chromium, station.address), shots)
            found = clicks(reader, series)
            assert reader.faults == []
            reader.page.context.close()
            study = series.uid("study")
            visits = [
                (
                    visit(chromium, station.address, "samlabel", study),
                    visit(chromium, station.address, "monai-label", study),
                )
                for _ in range(VISITS)
            ]
    over = [one["painted"] - one["server"] for one in found]
    ratios = [ours / stock for ours, stock in visits]
    result = {
        "what": "software rendering, no GPU; milliseconds",
        "clicks": len(found),
        "click_to_paint_ms": round(statistics.median(one["painted"] for one in found), 1),
        "server_ms": round(statistics.median(one["server"] for one in found), 1),
        "over_server_ms": round(statistics.median(over), 1),
        "over_server_worst_ms": round(max(over), 1),
        "first_image_ms": round(statistics.median(ours for ours, _ in visits), 1),
        "first_image_stock_ms": round(statistics.median(stock for _, stock in visits), 1),
        "first_image_ratio": round(statistics.median(ratios), 3),
    }
    told = command("pytest -m accept tests/client/test_viewer_speed.py")
    Report(told, 0, [result], started).write(results() / "viewer_speed.json")
    assert len(over) == CLICKS and min(over) > 0
