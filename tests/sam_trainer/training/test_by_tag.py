"""A training on cases of two domains teaches each its own part: the right one is better than the other."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from sam_infer.adapters.adapter import Adapter
from sam_infer.adapters.kinds.registry import tags_of
from sam_infer.imaging.geometry import Geometry
from sam_infer.imaging.image_file import write_image, write_mask
from sam_infer.imaging.itk_image import LPS_TO_RAS
from sam_infer.imaging.volume import Mask, Volume
from sam_infer.models.current import with_adapter
from sam_infer.models.load import load_network
from sam_infer.slices.embedding_cache import EmbeddingCache
from sam_trainer.config import RATES, TrainConfig
from sam_trainer.judging.gate import examine, overall
from sam_trainer.labels.cases import Case, read_sources
from sam_trainer.labels.round import TRAIN, VALIDATION, LabelRound, RoundCase
from sam_trainer.lessons.batches import LessonBatches
from sam_trainer.lessons.dialogue import hold_dialogue
from sam_trainer.lessons.lesson import Lesson, lessons_of
from sam_trainer.methods.trainable import Trainable, trainable
from sam_trainer.training.fit import Fit
from sam_trainer.training.progress import Progress
from sam_trainer.training.round_setup import RoundSetup

pytestmark = pytest.mark.usefixtures("one_thread")

SIDE, RADIUS, MARGIN = 96, 14, 8
DOMAINS = ("exact", "generous")
BRIEF = TrainConfig(
    method="domain_bank",
    lr=3e-2,
    with_decoder=False,
    epochs=1,
    steps=24,
    images=1,
    objects=1,
    decodes=1,
    semantic_images=0,
    precision="float32",
)


def two_scanners(folder: Path) -> list[Case]:
    """Disks that two sites outline: one along the edge, the other with a margin; nothing in a picture tells which."""
    rows, columns = np.mgrid[:SIDE, :SIDE]
    described = {}
    for number in range(8):
        rng, site = np.random.default_rng(number), DOMAINS[number % 2]
        row, column = SIDE / 2 + rng.integers(-8, 9, 2)
        away = np.hypot(rows - row, columns - column)
        grey = 40 + 150 * (away < RADIUS) + rng.integers(0, 20, away.shape)
        geometry, name = Geometry((SIDE, SIDE, 1), LPS_TO_RAS), f"case{number}"
        truth = (away < RADIUS + MARGIN * (number % 2)).astype(np.uint8)
        write_image(Volume(np.asfortranarray(grey.astype(np.uint8).T[..., None]), geometry), folder / f"{name}.png")
        write_mask(Mask(np.asfortranarray(truth.T[..., None]), geometry), folder / "labels" / "final" / f"{name}.png")
        described[name] = {"domain": site, "labels": {"1": "disk"}}
    (folder / "dataset.json").write_text(json.dumps({"cases": described}))
    return list(read_sources(folder)[0].cases)


def mean_loss(network: Trainable, lessons: list[Lesson], tag: str) -> float:
    """What the same dialogues cost a network that is told a tag."""
    batches, losses = LessonBatches(lessons, load_network("tiny").backbone()), []
    with torch.no_grad():
        for seed in range(6):
            batch, _ = batches.draw(network, 1, 2, np.random.default_rng(seed))
            network.told.tag = tag
            losses.append(float(hold_dialogue(network, batch, np.random.default_rng(seed), 1)[0].total))
    return float(np.mean(losses))


def test_the_right_domain_is_better_than_the_wrong_one(tmp_path: Path) -> None:
    cases, base = two_scanners(tmp_path / "studies"), load_network("tiny")
    found = LabelRound(tuple(RoundCase(one, VALIDATION if n >= 6 else TRAIN, "") for n, one in enumerate(cases)))
    setup, network = RoundSetup(base, BRIEF, tmp_path, lambda: False), trainable(base)
    teacher = setup.teacher(found)
    assert teacher.tags == DOMAINS
    fitted = Fit(network, BRIEF, teacher, tmp_path).run(Progress(None, 1), lambda: False)
    adapter = Adapter(fitted.tensors, setup._provenance(found, {}))
    assert tuple(tags_of(fitted.tensors)) == DOMAINS and adapter.provenance.settings["tags"] == list(DOMAINS)
    for domain, other in (DOMAINS, DOMAINS[::-1]):
        lessons = [lesson for one in cases if one.tags.domain == domain for lesson in lessons_of(one)]
        right, wrong, shared = (mean_loss(network, lessons, tag) for tag in (domain, other, ""))
        assert right < 0.995 * wrong and right < shared
    # what is validated, and judged, is what would serve
    served = with_adapter(adapter, EmbeddingCache(), base.backbone)
    asked = overall(examine(served, cases[6:], 5, clicks=5))
    assert fitted.standing.best == pytest.approx(asked, abs=1e-4)


@pytest.mark.accept
def test_objects_of_the_right_domain_are_found_better(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same in Dice, once the mask decoder has trained beside the parts: half a minute."""
    monkeypatch.setattr("sam_trainer.methods.method.RATES", {**RATES, "decoder": 4e-3})
    cases, base = two_scanners(tmp_path / "studies"), load_network("tiny")
    found = LabelRound(tuple(RoundCase(one, VALIDATION if n >= 6 else TRAIN, "") for n, one in enumerate(cases)))
    config = replace(BRIEF, steps=50, objects=2, with_decoder=True)
    setup = RoundSetup(base, config, tmp_path, lambda: False)
    fitted = Fit(trainable(base), config, setup.teacher(found), tmp_path).run(Progress(None, 1), lambda: False)
    served = with_adapter(Adapter(fitted.tensors, setup._provenance(found, {})), EmbeddingCache(), base.backbone)
    held = cases[6:]
    swapped = [replace(one, tags=other.tags) for one, other in zip(held, reversed(held), strict=True)]
    right, wrong = (overall(examine(served, some, 1, clicks=5)) for some in (held, swapped))
    assert right > wrong + 0.05
