"""Renewing what depends on the embedded weights: the tracker, calibrations, the adapter that serves, result files."""

from __future__ import annotations

import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from sam_infer.adapters.store import AdapterStore
from sam_infer.models.load import weights_id_of
from sam_infer.propagation.tracker import WEIGHTS as TRACKER
from sam_infer.slices.predictor import NO_ADAPTER
from sam_infer.weights.available import EMBEDDED, SHOWN_DIGITS
from sam_trainer.judging.calibrate import calibration_file
from sam_trainer.pretraining.dependents import old_results
from sam_trainer.pretraining.export import write_manifest
from sam_trainer.pretraining.run import WEIGHTS_FILE
from sam_trainer.pretraining.ship import ship, stage_of
from sam_trainer.pretraining.train_tracker import TrackingConfig, train_tracker
from samlabel.loop.stopping import stopping


def embed(weights: Path, what: str, share: float) -> str:
    """The weights of a run of `pretrain` become the embedded ones; the first digits of their hash."""
    return ship(weights / WEIGHTS_FILE, stage_of(weights, what), share)[:SHOWN_DIGITS]


def tracker(steps: int) -> None:
    """The tracker sees procedural scenes only, not the embedded model: it is old when the scenes changed."""
    with stopping() as should_stop:
        report = train_tracker(TrackingConfig(out=Path("runs/tracker"), steps=steps), should_stop)
    TRACKER.write_bytes(report.weights.read_bytes())
    recipe = f"samlabel pretrain-tracker --steps {steps} --seed 1"
    write_manifest(TRACKER, {"data": "procedural scenes; no real image", "recipe": recipe, "seed": 1, "steps": steps})


def old_adapter() -> str | None:
    """The adapter that serves, if it was trained on other weights; calibration of other weights is dropped.

    Calibration is fitted again when cases are scored.
    """
    store = AdapterStore(EMBEDDED)
    calibration_file(EMBEDDED, NO_ADAPTER).unlink(missing_ok=True)
    serving = store.pointer().adapter
    return None if serving is None or store.get(serving).provenance.base == weights_id_of(EMBEDDED) else serving


def results_of_others(results: Path, measure: bool) -> Iterator[str]:
    """Result files that tell of other weights, and how to make them again; with `measure` that is done."""
    for old in old_results(results, weights_id_of(EMBEDDED)):
        again = shlex.join(old.command)
        yield f"{old.file} tells of other weights ({old.weights[:SHOWN_DIGITS]}): {again or 'made by hand'}"
        if measure and old.command[:1] == ("samlabel",):
            subprocess.run([sys.executable, "-m", *old.command], check=True)
