"""The mode `samlabel` of the real OHIF in a real browser: what a reader does, in the words of our panel."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from tests.processes import wait_until

# A page keeps the viewer's services to itself: one more extension hands them to the test, whatever the version. It gets
# into the viewer's settings as they are set. A route that changed their file would keep the browser from caching, and
# let every request of the page wait for this process.
PROBE = """(() => {
  const probe = { id: 'probe', preRegistration({ servicesManager, extensionManager }) {
    window.probe = servicesManager.services;
    window.viewOf = (pane) => servicesManager.services.cornerstoneViewportService.getCornerstoneViewport(pane);
    window.libraries = () => extensionManager.getModuleEntry('@ohif/extension-cornerstone.utilityModule.common')
      .exports.getCornerstoneLibraries();
  } };
  let settings;
  Object.defineProperty(window, 'config', { configurable: true, enumerable: true, get: () => settings, set(given) {
    settings = given;
    if (given) given.extensions = [...(given.extensions ?? []), probe];
  } });
})();"""

# How often a page is asked whether what is waited for has come: by default with each of its frames, and this one reads
# the layout. While a processor draws the pictures it has better things to do.
EVERY_MS = 100

# One version of the viewer keeps a label map as a volume, the next one as images. What is not empty comes as runs:
# where one begins, how long it is, its value.
MASK = """(id) => {
  const [s] = probe.segmentationService.getSegmentations().filter(e => e.segmentationId.startsWith(id));
  const names = Object.values(s.segments).map(e => [e.segmentIndex, e.label]), on = [];
  const l = probe.segmentationService.getLabelmapVolume(s.segmentationId);
  const keep = (a, from) => {
    for (let i = 0, end; i < a.length; i = end) {
      for (end = i + 1; end < a.length && a[end] === a[i]; end++);
      if (a[i]) on.push([from + i, end - i, a[i]]);
    }
  };
  if (l) {
    keep(l.voxelManager.getCompleteScalarDataArray(), 0);
    return {shape: Array.from(l.dimensions), on, names};
  }
  const { cornerstone: { cache, metaData } } = libraries();
  const across = (image) => {
    const { rowCosines: r, columnCosines: c, imagePositionPatient: p } =
      metaData.get('imagePlaneModule', image.referencedImageId) ?? {};
    if (!r || !p) return 0;
    const n = [r[1] * c[2] - r[2] * c[1], r[2] * c[0] - r[0] * c[2], r[0] * c[1] - r[1] * c[0]];
    return n[0] * p[0] + n[1] * p[1] + n[2] * p[2];
  };
  const images = s.representationData.Labelmap.imageIds.map(each => cache.getImage(each))
    .sort((a, b) => across(a) - across(b));
  let from = 0;
  for (const image of images) { const a = image.voxelManager.getScalarData(); keep(a, from); from += a.length; }
  return {shape: [images[0].columns, images[0].rows, images.length], on, names};
}"""

# What the panel's bar said while long work was under way.
WATCH = """() => { window.told = []; new MutationObserver(() => {
  const job = document.querySelector('#samlabel [data-samlabel=job]');
  if (!job.hidden) window.told.push(job.innerText);
}).observe(document.querySelector('#samlabel'),
  {subtree: true, childList: true, characterData: true, attributes: true}); }"""


# Presses a button of that bar as soon as it is there: a test's own click can come after the work is done.
STOP = """() => new MutationObserver((_, watch) => {
  const job = document.querySelector('#samlabel [data-samlabel=job]');
  if (job.hidden) return;
  watch.disconnect();
  [...job.querySelectorAll('button')].find(button => button.innerText === 'Cancel').click();
}).observe(document.querySelector('#samlabel'), {subtree: true, childList: true, attributes: true})"""


class Reader:
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
        page.add_init_script(PROBE)

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

    def from_the_list(self, patient: int) -> list[str]:
        """Open a phantom's study from the list by the first button; what the buttons there say."""
        self.page.goto("/ohif/")
        self.page.click(f"text=Phantom {patient}")
        # links in one version of the viewer, buttons that tell their name in the next
        modes = self.page.locator("a[href*=StudyInstanceUIDs], button[title]:not([title=''])")
        ours = modes.filter(has_text="samlabel").first
        ours.wait_for()
        self.shot("panel-list")
        names = [name.strip() for name in modes.all_inner_texts() if name.strip()]
        ours.click()
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

    def until(self, condition: str, given: Any = None) -> None:
        """Wait until a function of JavaScript says yes."""
        self.page.wait_for_function(condition, arg=given, polling=EVERY_MS)

    def reads_in(self, place: str, text: str) -> None:
        """Wait until a text stands at a place of the panel."""
        self.until(
            "([place, text]) => document.querySelector(`#samlabel [data-samlabel=${place}]`).innerText.includes(text)",
            [place, text],
        )

    def says(self, text: str) -> str:
        """Wait until the panel says something."""
        self.until("text => document.querySelector('#samlabel [data-samlabel=status]').innerText.includes(text)", text)
        return self.reads("status")

    def choose(self, label: str) -> None:
        """Choose what is segmented."""
        self.page.click(f"#samlabel button[data-label={label}]")

    def press(self, name: str) -> None:
        """Press a button by its text."""
        self.page.click(f"#samlabel button:text-is('{name}')")

    def take(self, tool: str) -> None:
        """Take one of OHIF's own tools."""
        self.press(tool)
        self.page.wait_for_selector(f"#samlabel button[aria-pressed=true]:text-is('{tool}')")

    def painted(self, label: str, before: np.ndarray) -> np.ndarray:
        """Wait until a label has more voxels than before and gets no more."""
        seen = [before]

        def settled() -> bool:
            seen.append(self.voxels(label))
            return bool(seen[-1].sum() > before.sum() and np.array_equal(seen[-1], seen[-2]))

        wait_until(settled, f"{label} is painted", every_s=0.5)
        return seen[-1]

    def in_3d(self, on: bool = True) -> None:
        """Whether the next prompts ask for the whole object."""
        self.page.set_checked("#samlabel [data-samlabel=volume]", on)

    def called(self, name: str) -> None:
        """Say who is reading."""
        self.page.fill("#samlabel [data-samlabel=reader]", name)
        with self.page.expect_response(lambda r: "/lease/" in r.url and r.request.method == "PUT"):
            self.page.press("#samlabel [data-samlabel=reader]", "Tab")

    def study(self) -> str:
        """The study that is open."""
        return str(self.page.url.split("StudyInstanceUIDs=")[1].split("&")[0])

    def draft_kept(self) -> None:
        """Wait until the server has what was drawn."""
        self.until("() => document.querySelector('#samlabel [data-samlabel=stored]').innerText.includes('Draft of')")

    def watch_the_bar(self) -> None:
        """Keep what the bar of long work says from now on."""
        self.page.evaluate(WATCH)

    def cancel_the_next(self) -> None:
        """Press Cancel as soon as the next long work shows its bar."""
        self.page.evaluate(STOP)

    def bar_said(self) -> list[str]:
        """What the bar said since it is watched."""
        return list(self.page.evaluate("window.told"))

    def doubt(self) -> tuple[float, list[float]]:
        """How much colour lies over the reader's pane, and its centre in millimetres."""
        much, centre = self.page.evaluate(
            """pane => { const v = viewOf(pane), c = v.element.querySelector('[data-samlabel=layer]');
                        if (!c?.width) return [0, [0, 0, 0]];
                        const a = c.getContext('2d').getImageData(0, 0, c.width, c.height).data;
                        let n = 0, x = 0, y = 0;
                        for (let p = 0; p < a.length / 4; p++) {
                          if (a[4 * p] < 255 || a[4 * p + 2]) continue;  // from yellow to red
                          n += a[4 * p + 3]; x += a[4 * p + 3] * (p % c.width + .5);
                          y += a[4 * p + 3] * (Math.floor(p / c.width) + .5);
                        }
                        if (!n) return [0, [0, 0, 0]];
                        const s = c.clientWidth / c.width;
                        return [n, Array.from(v.canvasToWorld([s * x / n, s * y / n]))]; }""",
            self.pane,
        )
        return float(much), [float(v) for v in centre]

    def unfold(self, section: str) -> None:
        """Open a section of the panel."""
        if not self.page.evaluate("name => document.querySelector(`[data-section=${name}]`).open", section):
            self.page.click(f"[data-section={section}] summary")

    def look_at(self, lps_mm: np.ndarray) -> None:
        """Bring a point of the patient into the reader's pane."""
        self.page.evaluate(
            """([pane, p]) => { const v = viewOf(pane);
                               v.jumpToWorld(p); v.render(); }""",
            [self.pane, [float(v) for v in lps_mm]],
        )
        self.page.wait_for_timeout(500)

    def pixel_of(self, lps_mm: np.ndarray) -> tuple[int, int]:
        """Where a point of the patient is on the screen, in the reader's pane."""
        x, y = self.page.evaluate(
            """([pane, p]) => { const v = viewOf(pane);
                               const c = v.worldToCanvas(p), r = v.canvas.getBoundingClientRect();
                               return [c[0] + r.left, c[1] + r.top]; }""",
            [self.pane, [float(v) for v in lps_mm]],
        )
        return round(x), round(y)

    def click(self, lps_mm: np.ndarray) -> Any:
        """Click on a point of the patient and wait for the answer; the request."""
        with self.page.expect_response(answers_a_prompt) as answer:
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
        with self.page.expect_response(answers_a_prompt) as answer:
            self.drag(*way_mm)
        self.says("score")
        return answer.value.request

    def mask(self, segmentation: str = "samlabel-") -> tuple[np.ndarray, dict[str, int]]:
        """The segmentation that is shown, as array (I, J, K), and the value of each name."""
        data = self.page.evaluate(MASK, segmentation)
        array = np.zeros(int(np.prod(data["shape"])), np.uint8)
        for at, length, value in data["on"]:
            array[at : at + length] = value
        return array.reshape(data["shape"], order="F"), {str(name): int(n) for n, name in data["names"]}

    def voxels(self, label: str) -> np.ndarray:
        """Where a label is."""
        array, values = self.mask()
        return array == values[label]


def answers_a_prompt(response: Any) -> bool:
    """Whether a response is an answer, and not the advice on one that the panel asks for when its reader rests."""
    return "/infer/" in response.url and b'"advice"' not in (response.request.post_data_buffer or b"")


def sent(request: Any) -> dict[str, Any]:
    """The parameters of a request."""
    text = request.post_data_buffer.decode(errors="replace")
    return dict(json.loads(text.split('name="params"\r\n\r\n')[1].split("\r\n--")[0]))
