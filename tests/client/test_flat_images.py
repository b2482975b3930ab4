"""Radiographs and ultrasound in our mode of the real viewer: click, submit, and the same label in another browser."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from samlabel.dicom.flat_demo import FLAT, FlatDemo
from tests.client.browser import browser_page
from tests.client.conftest import embedded
from tests.client.phantom import ORGAN, VALUE, segs
from tests.client.reader import Reader, answers_a_prompt
from tests.client.stations import Station

pytestmark = [pytest.mark.client, pytest.mark.slow]

# One kind of image is enough for every run.
IMAGES = [FLAT[0], *(pytest.param(image, marks=pytest.mark.accept) for image in FLAT[1:])]

SHOW = """([pane, frame]) => viewOf(pane).setImageIdIndex(frame)"""
PIXEL = """([pane, i, j]) => {
  const v = viewOf(pane), r = v.canvas.getBoundingClientRect();
  const c = v.worldToCanvas(v.getImageData().imageData.indexToWorld([i, j, 0]));
  return [c[0] + r.left, c[1] + r.top];
}"""


class FlatReader(Reader):
    """A reader of images that are no volume: places are pixels of a frame."""

    def ready(self) -> None:
        """Wait for the panel; the pane is the one that OHIF chose."""
        super().ready()
        self.pane = self.page.evaluate("() => probe.viewportGridService.getActiveViewportId()")

    def click_on(self, voxel: tuple[int, int, int]) -> None:
        """Click on a pixel of a frame and wait for the answer."""
        i, j, k = voxel
        self.page.evaluate(SHOW, [self.pane, k])
        self.page.wait_for_timeout(1000)
        with self.page.expect_response(answers_a_prompt):
            self.page.mouse.click(*self.page.evaluate(PIXEL, [self.pane, i, j]))
        self.says("score")


@pytest.fixture(scope="module")
def flat_station(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Station]:
    """A radiograph, ultrasound in colour, a cine loop."""
    yield from embedded(tmp_path_factory.mktemp("flat"), FLAT)


@contextmanager
def visit(station: Station, shots: Path) -> Iterator[FlatReader]:
    """A reader whose browser knows nothing of others; at the end nothing has gone wrong."""
    with browser_page(station.address) as page:
        found = FlatReader(page, shots)
        yield found
        assert found.faults == []


@pytest.mark.parametrize("image", IMAGES, ids=lambda image: image.name)
def test_an_image_without_a_place_is_labelled_and_shown_again(
    flat_station: Station, shots: Path, image: FlatDemo
) -> None:
    truth = image.build()[1].array == VALUE
    k = image.frames // 2
    inside = np.argwhere(truth[:, :, k])
    i, j = inside[np.abs(inside - inside.mean(0)).sum(1).argmin()].tolist()
    kept: list[Any] = []
    with visit(flat_station, shots) as reader:
        reader.open(image.uid("study"))
        reader.choose(ORGAN)
        reader.press("+ point")
        reader.click_on((i, j, k))
        kept.append(reader.mask()[0])
        assert kept[0].shape == truth.shape and kept[0][i, j, k] == VALUE
        assert np.flatnonzero(kept[0].any(axis=(0, 1))).tolist() == [k]
        reader.press("Submit")
        reader.says(f"Submitted: {ORGAN}")
        reader.shot(f"flat-{image.name}")
    (seg,) = segs(flat_station, image)
    assert int(seg.pixel_array.sum()) == int((kept[0] > 0).sum()) > 20
    assert flat_station.completed() == 1
    with visit(flat_station, shots) as reader:
        reader.open(image.uid("study"))
        assert not reader.mask()[0].any()
        reader.press("Re-open")
        reader.says("Loaded")
        np.testing.assert_array_equal(reader.mask()[0], kept[0])
        reader.press("Withdraw")
        reader.says("Withdrawn")
    assert flat_station.completed() == 0
