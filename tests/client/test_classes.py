"""Labels by their name in the real OHIF: its own tab "Class Prompts", asked of an adapter that has learned them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from sam_infer.adapters.adapter import Adapter, Provenance
from sam_infer.adapters.store import AdapterStore
from sam_infer.models.load import load_network
from sam_trainer.bench.learning.one_training import labels_of
from sam_trainer.lessons.semantic_batches import SemanticBatches
from sam_trainer.lessons.semantic_lesson import semantic_lessons
from sam_trainer.measures.overlap import dice
from sam_trainer.methods.trainable import trainable
from sam_trainer.synthetic.anatomies import anatomies
from sam_trainer.synthetic.patients import ABDOMEN_LABELS
from sam_trainer.training.semantic import SemanticTraining
from samlabel.dicom.demo import DEMO
from tests.client.browser import Reader, browser_page
from tests.client.conftest import embedded
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


def test_the_classes_that_are_ticked_are_drawn_in_the_whole_volume(learned: Station, shots: Path) -> None:
    series = learned.series[0]
    true = series.build()[1].array
    ticked = ("liver", "spleen")
    with browser_page(learned.address) as page:
        reader = Reader(page, shots)
        reader.open(series.uid("study"))
        page.click("label.tab-label:text-is('Class Prompts')")
        tab = page.locator(".tab").filter(has=page.locator("label.tab-label:text-is('Class Prompts')"))
        tab.locator("select").select_option("sam_class")
        for name in ticked:
            tab.locator("tr", has=page.locator(f"td:text-is('{name}')")).locator("input").check()
        with page.expect_response(lambda r: "/infer/sam_class" in r.url) as answer:
            tab.locator("button:text-is('Run')").click()
        assert answer.value.status == 200
        page.wait_for_timeout(2000)
        shown, names = reader.mask()
        reader.shot("classes")
    assert {names[value] for value in np.unique(shown) if value} == set(ticked)
    for name in ticked:
        value = next(number for number, shown_name in names.items() if shown_name == name)
        whole = true == next(number for number, organ in ABDOMEN_LABELS.items() if organ == name)
        assert dice(shown == value, whole) >= 0.8, (name, dice(shown == value, whole))
