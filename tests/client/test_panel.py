"""The panel on a small screen, by keyboard alone, and for a screen reader."""

from __future__ import annotations

import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from samlabel.dicom.demo import SMALL
from tests.client.browser import browser_page
from tests.client.conftest import QUIET, embedded
from tests.client.npm import fetched
from tests.client.reader import Reader

pytestmark = [pytest.mark.client, pytest.mark.slow]

AXE = "4.14.1"

CONTROLS = """() => [...document.querySelectorAll('#samlabel :is(button, input, select, textarea, summary)')]
  .filter(e => !e.disabled && e.checkVisibility())"""


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory, shots: Path) -> Iterator[Reader]:
    """A reader at a case on a small screen, with every section open."""
    for station in embedded(tmp_path_factory.mktemp("panel"), SMALL[:1], (*QUIET, "warm_up=false")):
        with browser_page(station.address) as page:
            found = Reader(page, shots)
            found.open(station.series[0].uid("study"))
            for section in ("case", "labels", "prompt", "say", "propose", "result", "submit", "learning"):
                found.unfold(section)
            yield found
            assert found.faults == []


def test_nothing_of_ours_covers_a_pane(reader: Reader) -> None:
    panel = reader.page.query_selector("#samlabel").bounding_box()
    panes = [pane.bounding_box() for pane in reader.page.query_selector_all("[data-cy=viewport-grid] canvas")]
    assert len(panes) >= 3 and panel["x"] + panel["width"] <= 1366 and panel["y"] + panel["height"] <= 768
    for pane in panes:
        assert pane["x"] + pane["width"] <= panel["x"] + 1


def test_every_control_is_reached_by_tab_and_has_a_name(reader: Reader) -> None:
    total = len(reader.page.evaluate(f"({CONTROLS})().map(e => e.outerHTML)"))
    unnamed = reader.page.evaluate(
        f"""({CONTROLS})().filter(e => !(e.getAttribute('aria-label') || e.closest('label')?.innerText.trim()
             || e.textContent.trim())).map(e => e.outerHTML)"""
    )
    assert total > 40 and unnamed == []
    reader.page.evaluate(f"window.ours = ({CONTROLS})(); window.reached = new Set(); ours[0].focus()")
    for _ in range(total):
        reader.page.evaluate("reached.add(document.activeElement)")
        reader.page.keyboard.press("Tab")
    missed = reader.page.evaluate("ours.filter(e => !e.disabled && !reached.has(e)).map(e => e.outerHTML)")
    assert missed == []


def test_keys_choose_labels_and_tools_and_a_summary_folds(reader: Reader) -> None:
    reader.page.mouse.click(600, 760)
    reader.page.evaluate("document.activeElement.blur()")
    before = reader.page.get_attribute("#samlabel .sl-active [data-label]", "data-label")
    reader.page.keyboard.press("]")
    after = reader.page.get_attribute("#samlabel .sl-active [data-label]", "data-label")
    assert before != after
    reader.page.keyboard.press("[")
    assert reader.page.get_attribute("#samlabel .sl-active [data-label]", "data-label") == before
    for key, name in (("p", "+ point"), ("m", "- point"), ("b", "box"), ("s", "+ scribble"), ("l", "+ lasso")):
        reader.page.keyboard.press(key)
        reader.page.wait_for_selector(f"#samlabel button:text-is('{name}')[aria-pressed=true]")
    reader.page.focus("[data-section=learning] summary")
    reader.page.keyboard.press("Enter")
    assert not reader.page.evaluate("document.querySelector('[data-section=learning]').open")
    reader.page.keyboard.press("Enter")


def test_a_screen_reader_finds_nothing_serious(reader: Reader, tmp_path: Path) -> None:
    with tarfile.open(fetched("axe-core", AXE, tmp_path)) as tar:
        axe = tar.extractfile("package/axe.min.js")
        assert axe is not None
        reader.page.evaluate(axe.read().decode())
    found = reader.page.evaluate("axe.run('#samlabel')")
    serious = [
        (item["id"], item["help"], [node["html"] for node in item["nodes"]])
        for item in found["violations"]
        if item["impact"] in ("serious", "critical")
    ]
    assert serious == [] and len(found["passes"]) > 10
