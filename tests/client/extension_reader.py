"""The mode `samlabel` of the real OHIF in a real browser: what a reader does, in the words of our panel."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

MASK = """() => {
  const [s] = services.segmentationService.getSegmentations();
  const l = services.segmentationService.getLabelmapVolume(s.segmentationId), on = [];
  const a = l.voxelManager.getCompleteScalarDataArray();
  for (let i = 0; i < a.length; i++) if (a[i]) on.push([i, a[i]]);
  return {shape: Array.from(l.dimensions), on, names: Object.values(s.segments).map(e => [e.segmentIndex, e.label])};
}"""


class ExtensionReader:
    """A reader in our mode; keeps what must not happen: page errors, console errors, requests to other machines."""

    def __init__(self, page: Any, shots: Path) -> None:
        self.page = page
        self.shots = shots
        self.pane = "mpr-axial"
        self.faults: list[str] = []
        page.set_viewport_size({"width": 1366, "height": 768})
        page.on("pageerror", lambda error: self.faults.append(f"page error: {error}"))
        page.on("console", self._heard)
        page.on("request", self._asked)

    def _heard(self, message: Any) -> None:
        """What the browser says of an answer that is an error is the server's; everything else is ours."""
        if message.type == "error" and "Failed to load resource" not in message.text:
            self.faults.append(f"console: {message.text}")

    def _asked(self, request: Any) -> None:
        if not request.url.startswith(("http://127.0.0.1:", "data:", "blob:")):
            self.faults.append(f"foreign: {request.url}")

    def shot(self, name: str) -> None:
        """Keep a picture of the screen."""
        self.page.screenshot(path=self.shots / f"{name}.png")

    def from_the_list(self, patient: str) -> list[str]:
        """Open a patient's study from the list by the first button; the buttons there are."""
        self.page.goto("/ohif/")
        self.page.click(f"[data-cy^=studyRow-]:has-text('{patient}')")
        button = self.page.get_by_role("link").filter(has_text="samlabel").first
        button.wait_for()
        names = [link.inner_text() for link in self.page.query_selector_all("a[href*=StudyInstanceUIDs]")]
        button.click()
        self.ready()
        return names

    def open(self, study: str) -> None:
        """Open a study and wait for the panel."""
        self.page.goto(f"/ohif/samlabel?StudyInstanceUIDs={study}")
        self.ready()

    def ready(self) -> None:
        """Wait for images and the panel."""
        self.page.wait_for_selector("#samlabel[data-ready=yes]")
        button = self.page.query_selector("[data-cy=confirm-and-hide-button]")
        if button:
            button.click()

    def reads(self, place: str) -> str:
        """What stands at a place of the panel."""
        return str(self.page.inner_text(f"#samlabel [data-samlabel={place}]"))

    def says(self, text: str) -> str:
        """Wait until the panel says something."""
        self.page.wait_for_function(
            "text => document.querySelector('#samlabel [data-samlabel=status]').innerText.includes(text)", arg=text
        )
        return self.reads("status")

    def choose(self, label: str) -> None:
        """Choose what is segmented."""
        self.page.click(f"#samlabel button[data-label={label}]")

    def press(self, name: str) -> None:
        """Press a button by its text."""
        self.page.click(f"#samlabel button:text-is('{name}')")

    def unfold(self, section: str) -> None:
        """Open a section of the panel."""
        if not self.page.evaluate("name => document.querySelector(`[data-section=${name}]`).open", section):
            self.page.click(f"[data-section={section}] summary")

    def look_at(self, lps_mm: np.ndarray) -> None:
        """Bring a point of the patient into the reader's pane."""
        self.page.evaluate(
            """([pane, p]) => { const v = services.cornerstoneViewportService.getCornerstoneViewport(pane);
                               v.jumpToWorld(p); v.render(); }""",
            [self.pane, [float(v) for v in lps_mm]],
        )
        self.page.wait_for_timeout(500)

    def pixel_of(self, lps_mm: np.ndarray) -> tuple[int, int]:
        """Where a point of the patient is on the screen, in the reader's pane."""
        x, y = self.page.evaluate(
            """([pane, p]) => { const v = services.cornerstoneViewportService.getCornerstoneViewport(pane);
                               const c = v.worldToCanvas(p), r = v.canvas.getBoundingClientRect();
                               return [c[0] + r.left, c[1] + r.top]; }""",
            [self.pane, [float(v) for v in lps_mm]],
        )
        return round(x), round(y)

    def click(self, lps_mm: np.ndarray) -> Any:
        """Click on a point of the patient and wait for the answer; the request."""
        with self.page.expect_response(lambda r: "/infer/" in r.url) as answer:
            self.page.mouse.click(*self.pixel_of(lps_mm))
        self.says("score")
        return answer.value.request

    def drag(self, *way_mm: np.ndarray) -> None:
        """Drag along points of the patient."""
        pixels = [self.pixel_of(point) for point in way_mm]
        self.page.mouse.move(*pixels[0])
        self.page.mouse.down()
        for pixel in pixels[1:]:
            self.page.mouse.move(*pixel, steps=8)
        self.page.mouse.up()

    def draw(self, *way_mm: np.ndarray) -> Any:
        """Drag a prompt and wait for the answer; the request."""
        with self.page.expect_response(lambda r: "/infer/" in r.url) as answer:
            self.drag(*way_mm)
        self.says("score")
        return answer.value.request

    def mask(self) -> tuple[np.ndarray, dict[str, int]]:
        """The segmentation that is shown, as array (I, J, K), and the value of each name."""
        data = self.page.evaluate(MASK)
        array = np.zeros(int(np.prod(data["shape"])), np.uint8)
        for at, value in data["on"]:
            array[at] = value
        return array.reshape(data["shape"], order="F"), {str(name): int(n) for n, name in data["names"]}

    def voxels(self, label: str) -> np.ndarray:
        """Where a label is."""
        array, values = self.mask()
        return array == values[label]
