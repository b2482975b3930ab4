"""MONAI Label's own panel, which comes with its viewer, on our server: a click, and labels by their name."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from sam_infer.adapters.adapter import Adapter, Provenance
from sam_infer.adapters.store import AdapterStore
from sam_infer.models.load import load_network
from sam_trainer.bench.learning.one_training import labels_of
from sam_trainer.lessons.semantic_batches import SemanticBatches
from sam_trainer.lessons.semantic_lesson import semantic_lessons
from sam_trainer.methods.trainable import trainable
from sam_trainer.synthetic.anatomies import anatomies
from sam_trainer.synthetic.patients import ABDOMEN_LABELS
from sam_trainer.training.semantic import SemanticTraining
from samlabel.dicom.demo import DEMO, DemoSeries
from tests.client.browser import browser_page
from tests.client.conftest import embedded
from tests.client.phantom import ORGAN, VALUE, check_overlay, dice, lps, middle_of
from tests.client.reader import Reader
from tests.client.stations import Station

pytestmark = [pytest.mark.client, pytest.mark.accept, pytest.mark.usefixtures("one_thread")]

STEPS, SLICES = 80, 4


@pytest.fixture(scope="module")
def station(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Station]:
    yield from embedded(tmp_path_factory.mktemp("classes"), DEMO[:1])


@pytest.fixture(scope="module")
def learned(station: Station, tmp_path_factory: pytest.TempPathFactory) -> Station:
    """A station whose adapter has learned the demo's organs from other patients."""
    base = load_network("tiny")
    cases = anatomies(tmp_path_factory.mktemp("patients"), 4, 7)
    labels = labels_of(cases)
    lessons = [lesson for case in cases for lesson in semantic_lessons(case, labels)]
    network, training = trainable(base), SemanticTraining(labels, SemanticBatches(lessons, base.backbone()), 0)
    optimizer = torch.optim.AdamW(training.parameters(), 2e-3)
    for step in range(STEPS):
        training.loss(network, SLICES, np.random.default_rng(step), alone=True).backward()
        optimizer.step()
        optimizer.zero_grad()
    store = AdapterStore("tiny", station.home)
    where = Provenance(base.name, base.fingerprint.weights, "lora", {}, 0, tuple(labels), ())
    store.promote(store.put(Adapter(training.tensors(), where)), "it knows the organs")
    return station


class StockPanel:
    """A reader at MONAI Label's panel."""

    def __init__(self, page: Any, shots: Path, address: str) -> None:
        self.reader = Reader(page, shots)
        self.page = page
        self.address = address

    def open(self, series: DemoSeries) -> None:
        """Open a study and connect the panel."""
        self.page.goto(f"/ohif/monai-label?StudyInstanceUIDs={series.uid('study')}")
        self.page.wait_for_function(
            "() => window.viewOf?.('mpr-axial')?.viewportData?.data?.[0]?.volume?.loadStatus?.loaded"
            " || window.cornerstone?.cache.getVolumes().some(v => v.loadStatus?.loaded)"
        )
        button = self.page.query_selector("[data-cy=confirm-and-hide-button]")
        if button:
            button.click()
        self.page.fill("#monailabelServerURL", self.address)
        self.page.click(".settingsTable button.actionButton")

    def tab(self, name: str) -> Any:
        """A tab of the panel, opened."""
        self.page.click(f"label.tab-label:text-is('{name}')")
        return self.page.locator(".tab").filter(has=self.page.locator(f"label.tab-label:text-is('{name}')"))

    def mask(self) -> tuple[np.ndarray, dict[str, int]]:
        """What is shown, and the value of each name."""
        return self.reader.mask("1")


def test_a_click_in_the_stock_panel(station: Station, shots: Path) -> None:
    series = station.series[0]
    volume, mask = series.build()
    point = lps(volume, middle_of(mask))
    with browser_page(station.address) as page:
        panel = StockPanel(page, shots, station.address)
        panel.open(series)
        tab = panel.tab("Point Prompts")
        tab.locator("select.selectBox").select_option("sam_2d")
        tab.locator("tr.clickable-row", has=page.locator(f"td:text-is('{ORGAN}')")).click()
        panel.reader.look_at(point)
        page.evaluate("probe.viewportGridService.setActiveViewportId('mpr-axial')")
        page.wait_for_timeout(1000)
        page.mouse.click(*panel.reader.pixel_of(point))
        page.wait_for_function("() => cornerstoneTools.annotation.state.getAllAnnotations().length")
        with page.expect_response(lambda r: "/infer/sam_2d" in r.url) as answered:
            tab.locator("button.actionButton", has_text="Run").click()
        assert answered.value.ok
        page.wait_for_timeout(1500)
        shown, values = panel.mask()
        panel.reader.shot("stock")
        check_overlay(shown == values[ORGAN], mask.array == VALUE, series)


def test_the_classes_that_are_ticked_are_drawn_in_the_whole_volume(learned: Station, shots: Path) -> None:
    series = learned.series[0]
    true = series.build()[1].array
    ticked = ("liver", "spleen")
    with browser_page(learned.address) as page:
        panel = StockPanel(page, shots, learned.address)
        panel.open(series)
        tab = panel.tab("Class Prompts")
        tab.locator("select").select_option("sam_class")
        for name in ticked:
            tab.locator("tr", has=page.locator(f"td:text-is('{name}')")).locator("input").check()
        with page.expect_response(lambda r: "/infer/sam_class" in r.url) as answer:
            tab.locator("button:text-is('Run')").click()
        assert answer.value.status == 200
        page.wait_for_timeout(2000)
        shown, values = panel.mask()
        panel.reader.shot("classes")
    assert {name for name, value in values.items() if (shown == value).any()} == set(ticked)
    for name in ticked:
        whole = true == next(number for number, organ in ABDOMEN_LABELS.items() if organ == name)
        assert dice(shown == values[name], whole) >= 0.8, (name, dice(shown == values[name], whole))
