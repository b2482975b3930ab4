"""What five accepted cases are worth, measured as `samlabel bench train` does: the promise of the learning loop."""

from __future__ import annotations

from pathlib import Path

import pytest

from sam_trainer.bench.learning.few_cases import SEMANTIC
from sam_trainer.bench.learning.few_cases_plan import Plan
from sam_trainer.bench.learning.few_cases_run import run_train, trainings_of
from sam_trainer.reports.journal import Journal


@pytest.mark.accept
@pytest.mark.timeout(5400)
def test_five_cases_make_one_click_better_and_name_labels_at_least_as_well_as_a_unet(tmp_path: Path) -> None:
    plan = Plan(counts=(5,), methods=("lora+decoder", "unet"))
    outcome = run_train("tiny", plan, trainings_of(plan, tmp_path, []), Journal(), lambda _: None)
    gains = {(row["measure"], row["over"]): row for row in outcome.rows if "gain" in row}
    clicked, named = gains["dice_1click", "none"], gains[SEMANTIC, "unet"]
    assert clicked["held_out"] == named["held_out"] == 20 and clicked["seeds"] == named["seeds"] == 3
    assert clicked["ci_low"] > 0, clicked
    assert named["ci_low"] >= 0, named
