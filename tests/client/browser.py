"""The real OHIF in a real browser: what a reader does, in the words of the viewer."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.processes import HANG_S

# Without WebGL the volume viewports stay black; SwiftShader is slow and correct.
FLAGS = [
    "--no-sandbox",
    "--use-gl=angle",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    "--ignore-gpu-blocklist",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
]
# Only against what hangs.
PATIENCE_MS = 1000 * HANG_S


@contextmanager
def browser_page(address: str) -> Iterator[Any]:
    """A page of a fresh browser."""
    with browser() as chromium:
        yield new_page(chromium, address)


def new_page(chromium: Any, address: str) -> Any:
    """A page of another person at another machine: nothing is shared with other pages."""
    context = chromium.new_context(viewport={"width": 1400, "height": 900}, base_url=address)
    context.set_default_timeout(PATIENCE_MS)
    context.on("dialog", lambda dialog: dialog.accept())
    return context.new_page()


@contextmanager
def browser() -> Iterator[Any]:
    """Chromium, for several people."""
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("chromium is missing: apt install chromium")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        yield browser
        browser.close()


class Reader:
    """A reader at the viewer."""

    def __init__(self, page: Any, shots: Path) -> None:
        self.page = page
        self.shots = shots
        self.pane = "mpr-axial"

    def shot(self, name: str) -> None:
        """Keep a picture of the screen."""
        self.page.screenshot(path=self.shots / f"{name}.png")

    def listed(self) -> list[str]:
        """Patient ids in the study list."""
        self.page.goto("/ohif/")
        self.page.wait_for_selector("[data-cy^=studyRow-]")
        return [row.inner_text() for row in self.page.query_selector_all("[data-cy^=studyRow-]")]

    def open(self, study: str) -> None:
        """Open a study and wait until the companion has connected."""
        self.page.goto(f"/ohif/monai-label?StudyInstanceUIDs={study}")
        self.ready()

    def ready(self) -> None:
        """Wait for images, connection and the companion."""
        self.page.wait_for_selector("#samlabel [data-ready=yes]", state="attached")
        button = self.page.query_selector("[data-cy=confirm-and-hide-button]")
        if button:
            button.click()

    def called(self, name: str) -> None:
        """Say who is reading."""
        self.page.fill("#samlabel [data-samlabel=reader]", name)
        with self.page.expect_response(lambda r: "/lease/" in r.url and r.request.method == "PUT"):
            self.page.press("#samlabel [data-samlabel=reader]", "Tab")

    def reads(self, place: str) -> str:
        """What stands at a place of the companion."""
        return str(self.page.inner_text(f"#samlabel [data-samlabel={place}]"))

    def prompts(self) -> list[list[float]]:
        """The points that are drawn, in millimetres."""
        return list(
            self.page.evaluate(
                """() => cornerstoneTools.annotation.state.getAllAnnotations()
                     .filter(a => a.metadata.toolName === 'ProbeMONAILabel')
                     .map(a => Array.from(a.data.handles.points[0]))"""
            )
        )

    def draft_kept(self) -> None:
        """Wait until the server has what was drawn."""
        self.page.wait_for_function(
            "() => document.querySelector('#samlabel [data-samlabel=stored]').innerText.includes('Draft of')"
        )

    def afresh(self) -> None:
        """Discard the draft that another visit left: it may have ended between a change and its keeping."""
        if "Draft of" in self.reads("stored"):
            self.tool("discard draft")
            self.says("The draft is gone")

    def study(self) -> str:
        """The study that is open."""
        return str(self.page.url.split("StudyInstanceUIDs=")[1].split("&")[0])

    def choose(self, label: str) -> None:
        """Choose what is segmented."""
        self.page.select_option("#samlabel [data-samlabel=label]", label)

    def tool(self, name: str) -> None:
        """Take a tool by the text on its button."""
        self.page.click(f"#samlabel button:text-is('{name}')")

    def in_3d(self) -> None:
        """Ask for the whole object from now on."""
        self.page.check("#samlabel [data-samlabel=volume]")

    def status(self) -> str:
        """What the companion says."""
        return str(self.page.inner_text("#samlabel [data-samlabel=status]"))

    def says(self, text: str) -> str:
        """Wait until the companion says something."""
        self.page.wait_for_function(
            "text => document.querySelector('#samlabel [data-samlabel=status]').innerText.includes(text)", arg=text
        )
        return self.status()

    def look_at(self, lps_mm: np.ndarray) -> None:
        """Bring a point of the patient into the plane of the reader's pane and make the pane active."""
        self.page.evaluate(
            """([pane, p]) => { const v = services.cornerstoneViewportService.getCornerstoneViewport(pane);
                               v.jumpToWorld(p); v.render();
                               services.viewportGridService.setActiveViewportId(pane); }""",
            [self.pane, [float(v) for v in lps_mm]],
        )
        self.page.wait_for_timeout(1500)

    def pixel_of(self, lps_mm: np.ndarray) -> tuple[int, int]:
        """Where a point of the patient is on the screen, in the reader's pane."""
        x, y = self.page.evaluate(
            """([pane, p]) => { const v = services.cornerstoneViewportService.getCornerstoneViewport(pane);
                               const c = v.worldToCanvas(p), r = v.canvas.getBoundingClientRect();
                               return [c[0] + r.left, c[1] + r.top]; }""",
            [self.pane, [float(v) for v in lps_mm]],
        )
        return round(x), round(y)

    def click(self, lps_mm: np.ndarray) -> None:
        """Click on a point of the patient and wait for the answer."""
        with self.page.expect_response(lambda r: "/infer/" in r.url):
            self.page.mouse.click(*self.pixel_of(lps_mm))
        self.says("score")
        self.page.wait_for_timeout(500)

    def drag(self, start_mm: np.ndarray, end_mm: np.ndarray, steps: int = 8) -> None:
        """Drag from one point of the patient to another."""
        self.page.mouse.move(*self.pixel_of(start_mm))
        self.page.mouse.down()
        self.page.mouse.move(*self.pixel_of(end_mm), steps=steps)
        self.page.mouse.up()
        self.page.wait_for_timeout(1500)

    def show_doubt(self, on: bool = True) -> None:
        """Switch the colour over unsure places on or off."""
        self.page.set_checked("#samlabel [data-samlabel=doubt]", on)

    def doubt(self) -> tuple[float, list[float]]:
        """How much colour lies over the reader's pane, and its centre in millimetres."""
        much, centre = self.page.evaluate(
            """pane => { const v = services.cornerstoneViewportService.getCornerstoneViewport(pane);
                        const c = v.canvas.nextElementSibling;
                        if (c.dataset.samlabel !== 'layer' || c.hidden || !c.width) return [0, [0, 0, 0]];
                        const a = c.getContext('2d').getImageData(0, 0, c.width, c.height).data;
                        let n = 0, x = 0, y = 0;
                        for (let p = 0; p < a.length / 4; p++) {
                          n += a[4 * p + 3]; x += a[4 * p + 3] * (p % c.width + .5);
                          y += a[4 * p + 3] * (Math.floor(p / c.width) + .5);
                        }
                        if (!n) return [0, [0, 0, 0]];
                        const s = c.clientWidth / c.width;
                        return [n, Array.from(v.canvasToWorld([s * x / n, s * y / n]))]; }""",
            self.pane,
        )
        return float(much), [float(v) for v in centre]

    def mask(self) -> tuple[np.ndarray, dict[int, str]]:
        """The segmentation that is shown, as array (I, J, K), and the name of each value."""
        data = self.page.evaluate(
            """() => { const l = services.segmentationService.getLabelmapVolume('1');
                       const a = l.voxelManager.getCompleteScalarDataArray(), on = [];
                       for (let i = 0; i < a.length; i++) if (a[i]) on.push([i, a[i]]);
                       const s = services.segmentationService.getSegmentation('1').segments;
                       return {shape: Array.from(l.dimensions), on,
                               names: Object.values(s).map(e => [e.segmentIndex, e.label])}; }"""
        )
        array = np.zeros(int(np.prod(data["shape"])), np.uint8)
        for at, value in data["on"]:
            array[at] = value
        return array.reshape(data["shape"], order="F"), {int(n): str(name) for n, name in data["names"]}
