"""Real labelled images, where they lie beside the checkout; they are never part of it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from sam_infer.networks.tiny.backbone import WEIGHTS, TinyBackbone
from sam_trainer.bench.clicks import measure as measure_clicks
from sam_trainer.bench.exam import Exam
from sam_trainer.bench.gallery import Gallery
from sam_trainer.bench.prompts import measure as measure_prompts
from sam_trainer.labels.cases import collect, read_sources
from sam_trainer.reports.table import MEAN, table

BESIDE = Path(__file__).parents[3].parent / "shared" / "data"
DATA = Path(os.environ.get("SAMLABEL_VALIDATION", BESIDE))

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not DATA.is_dir(), reason="no validation data: set SAMLABEL_VALIDATION to their folder"),
]
needs_weights = pytest.mark.skipif(not WEIGHTS.is_file(), reason="the embedded weights are not in this checkout")


def test_the_measuring_rules_are_those_of_the_data() -> None:
    sources = {source.name: source.headline for source in read_sources(DATA)}
    assert "dicom" not in sources
    apart = {name for name, headline in sources.items() if not headline}
    assert apart == {"fundus_chasedb1", "em_membrane_isbi2012", "sem_axon_ivadomed", "stardist_nuclei"}
    targets = [target for subject in collect(read_sources(DATA)) for target in subject.targets]
    lungs = [target for target in targets if target.case.source == "xray_lungs_jsrt"]
    assert len(lungs) == 2 * len({target.case.name for target in lungs})
    assert min(int(target.mask.sum()) for target in targets) >= 50


def test_the_optic_disc_holds_its_cup() -> None:
    subject = collect(read_sources(DATA / "fundus_drishti"))[0]
    disc, cup = (next(t.mask for t in subject.targets if t.label == label) for label in ("optic_disc", "optic_cup"))
    assert (cup <= disc).all()


@needs_weights
@pytest.mark.accept
def test_boxes_and_clicks_reach_what_the_model_card_promises() -> None:
    exam = Exam(TinyBackbone.embedded(), [s for s in collect(read_sources(DATA), limit=4) if s.headline])
    means = [row for row in table(measure_prompts(exam, Gallery())) if row["source"] == MEAN]
    found = {row["strategy"]: row["dice"] for row in means if row["rule"] == "deployable"}
    assert found["S5"] >= 0.85
    assert found["S2"] >= 0.55
    clicks = [row for row in table(measure_clicks(exam, Gallery(), with_baselines=False)) if row["source"] == MEAN]
    dice = {row["clicks"]: row["dice"] for row in clicks}
    assert (dice[3] >= 0.70, dice[5] >= 0.78, dice[10] >= 0.85) == (True, True, True)
    assert clicks[-1]["encodes"] <= 2.0
