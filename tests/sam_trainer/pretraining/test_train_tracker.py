import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from sam_infer.networks.tracker_net import SIDE
from sam_trainer.errors import TrainingError
from sam_trainer.pretraining import train_tracker as train_tracker_module
from sam_trainer.pretraining.train_tracker import RATE, TrackingConfig, momentum_at, rate_at, train_tracker
from sam_trainer.synthetic.chains import STEPS, draw_chains


def test_a_chain_is_one_object_on_neighbouring_slices() -> None:
    chains = [chain for seed in range(6) for chain in draw_chains(np.random.default_rng(seed))]
    assert len(chains) > 6
    for chain in chains:
        assert chain.images.shape == (STEPS + 1, SIDE, SIDE) and chain.masks.shape == (STEPS, SIDE, SIDE)
        assert chain.first.any() and chain.valid[0] == 1
        for n in range(1, STEPS):  # an object that has ended is not asked for again
            assert (chain.valid[n] == 1) >= bool(chain.masks[n].any())
    again = draw_chains(np.random.default_rng(0))
    np.testing.assert_array_equal(again[0].images, draw_chains(np.random.default_rng(0))[0].images)


def test_objects_end_move_and_change() -> None:
    chains = [chain for seed in range(40) for chain in draw_chains(np.random.default_rng(seed))]
    ended = sum(not chain.masks[-1].any() for chain in chains)
    assert 0.05 < ended / len(chains) < 0.5
    overlap = [
        (np.minimum(chain.first, chain.masks[0]).sum() / np.maximum(chain.first, chain.masks[0]).sum())
        for chain in chains
        if chain.masks[0].any()
    ]
    assert 0.5 < np.median(overlap) < 0.98


def test_the_rate_rises_once_and_falls_to_nothing() -> None:
    rates = [rate_at(step, 200) for step in range(200)]
    top = int(np.argmax(rates))
    assert rates[top] == pytest.approx(RATE, rel=0.02) and 5 <= top <= 15
    assert np.all(np.diff(rates[: top + 1]) > 0) and np.all(np.diff(rates[top:]) < 0) and rates[-1] < RATE / 1e4
    assert momentum_at(0, 200) == pytest.approx(0.95) and momentum_at(top, 200) == pytest.approx(0.85, abs=0.01)


@pytest.mark.slow
@pytest.mark.usefixtures("one_thread", "in_float32")
def test_training_lowers_the_loss_and_goes_on_exactly_where_it_stopped(tmp_path: Path) -> None:
    export = train_tracker_module.export_weights

    def kept(weights: nn.Module, file: Path) -> None:
        """What lies there after ten steps is all that a run has which ends then."""
        if not (tmp_path / "parts").exists():
            shutil.copytree(tmp_path / "whole", tmp_path / "parts")
        export(weights, file)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(train_tracker_module, "SAVE_EVERY", 10)
        patch.setattr(train_tracker_module, "export_weights", kept)
        whole = train_tracker(TrackingConfig(tmp_path / "whole", steps=12, batch=4))
    assert whole.last_loss < 0.95 * whole.first_loss
    assert not (tmp_path / "parts" / "tracker.safetensors").exists()
    train_tracker(TrackingConfig(tmp_path / "parts", steps=12, batch=4, resume=True))
    first, second = (load_file(tmp_path / name / "tracker.safetensors") for name in ("whole", "parts"))
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_nothing_to_resume_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="no run to resume"):
        train_tracker(TrackingConfig(tmp_path, steps=2, resume=True))
