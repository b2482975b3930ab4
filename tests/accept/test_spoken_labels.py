"""Named labels are found on procedural patients that taught nothing: box IoU at least .5, and masks from them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sam_infer.models.load import load_network
from sam_trainer.bench.automatic.folds import AutoPlan, folds_of
from sam_trainer.bench.language.named_labels import ANYWHERE, ON_ITS_SLICE
from sam_trainer.bench.language.run import run_language
from sam_trainer.labels.cases import Source
from sam_trainer.reports.journal import Journal
from sam_trainer.reports.table import MEAN
from sam_trainer.synthetic.anatomies import anatomies

pytestmark = [pytest.mark.accept, pytest.mark.slow]


def test_a_named_label_is_boxed_where_it_is(tmp_path: Path, one_thread: None, record_property) -> None:
    plan = AutoPlan(folds=2, labels=6)
    source = Source("procedural", tuple(anatomies(tmp_path, 6, 0)))
    found = run_language(load_network("tiny"), folds_of([source], plan), plan, Journal())
    rows = {row["looking"]: row for row in found.rows if row.get("source") == MEAN and "iou" in row}
    for looking in (ANYWHERE, ON_ITS_SLICE):
        record_property(looking, rows[looking])
        assert rows[looking]["iou"] >= 0.5 and rows[looking]["best"] >= rows[looking]["dice"]
    assert np.mean([row["ok"] for row in found.rows if "ok" in row]) == 1
