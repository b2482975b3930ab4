import json
from functools import partial
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch.multiprocessing.spawn import start_processes

from sam_infer.networks.tiny.model import TinySam
from sam_trainer.errors import TrainingError
from sam_trainer.lessons.prompt_batch import BatchShape
from sam_trainer.pretraining.config import Leg, PretrainConfig
from sam_trainer.pretraining.run import CURVES_FILE, LOG_FILE, WEIGHTS_FILE, new_state, pretrain
from sam_trainer.pretraining.state import STATE_FILE, update_average
from tests.processes import CONTEXT

SMALL = (Leg(1.0, BatchShape(64, 2, 2)),)


pytestmark = pytest.mark.usefixtures("one_thread", "in_float32")


def config(out: Path, **changes: object) -> PretrainConfig:
    values: dict[str, object] = {"out": out, "steps": 4, "legs": SMALL, "warmup_steps": 5, "decay_share": 0.0}
    return PretrainConfig(**{**values, **changes})  # type: ignore[arg-type]


def tensors(folder: Path, file: str = STATE_FILE) -> dict[str, torch.Tensor]:
    return load_file(folder / file)


@pytest.mark.slow
def test_two_dozen_steps_lower_the_loss_by_a_quarter(tmp_path: Path) -> None:
    report = pretrain(config(tmp_path, steps=24, legs=(Leg(1.0, BatchShape(64, 2, 4)),)))
    assert report.steps == 24
    assert report.last_loss < 0.75 * report.first_loss
    assert (tmp_path / CURVES_FILE).stat().st_size > 1000
    TinySam().load_state_dict({k: v.float() for k, v in load_file(report.weights).items()})
    assert report.weights.stat().st_size < 12_000_000


@pytest.mark.slow
def test_resuming_goes_on_exactly(tmp_path: Path) -> None:
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    pretrain(config(whole, steps=4))
    pretrain(config(parts, steps=2))
    pretrain(config(parts, steps=4, resume=True))
    expected, found = tensors(whole), tensors(parts)
    assert expected.keys() == found.keys()
    assert all(torch.equal(expected[name], found[name]) for name in expected)


def test_a_stop_keeps_the_state_after_the_step(tmp_path: Path) -> None:
    """Ctrl-C lost up to five minutes of steps."""
    asked = iter(range(10))
    report = pretrain(config(tmp_path, steps=9), lambda: next(asked) >= 1)
    assert report.steps == 1 and (tmp_path / STATE_FILE).is_file()
    assert pretrain(config(tmp_path, steps=2, resume=True)).steps == 2


def test_the_log_of_a_resumed_run_is_continued(tmp_path: Path) -> None:
    pretrain(config(tmp_path, steps=2))
    pretrain(config(tmp_path, steps=3, resume=True))
    rows = [json.loads(line) for line in (tmp_path / LOG_FILE).read_text().splitlines()]
    assert [row["step"] for row in rows] == [2, 3]


@pytest.mark.slow
def test_two_processes_train_one_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They begin as copies of one that has loaded what they use: loading takes longer than their work."""
    copied = partial(start_processes, start_method=CONTEXT.get_start_method())
    monkeypatch.setattr("sam_trainer.pretraining.run.spawn", copied)
    report = pretrain(config(tmp_path, steps=2, processes=2))
    assert report.steps == 2
    assert not list(tmp_path.glob("meeting-*"))


def test_init_starts_from_the_weights_of_another_run(tmp_path: Path) -> None:
    first = pretrain(config(tmp_path / "first", steps=1))
    state = new_state(config(tmp_path / "second", init=first.weights))
    stored = tensors(tmp_path / "first", WEIGHTS_FILE)
    for name, tensor in state.model.state_dict().items():
        torch.testing.assert_close(tensor, stored[name].float())


def test_another_seed_is_another_run(tmp_path: Path) -> None:
    first = pretrain(config(tmp_path / "a", steps=1))
    second = pretrain(config(tmp_path / "b", steps=1, seed=1))
    assert first.first_loss != second.first_loss


def test_the_average_follows_the_model() -> None:
    torch.manual_seed(0)
    model, average = torch.nn.Linear(2, 2), torch.nn.Linear(2, 2)
    before = average.weight.detach().clone()
    update_average(average, model, 0.9, step=10_000)
    torch.testing.assert_close(average.weight, 0.9 * before + 0.1 * model.weight)


@pytest.mark.parametrize(
    "changes",
    [
        {"minutes": 0.0, "steps": None},
        {"steps": 0},
        {"processes": 0},
        {"legs": ()},
        {"legs": (Leg(0.5, BatchShape()),)},
        {"init": Path("a"), "resume": True},
    ],
)
def test_impossible_runs_are_refused(tmp_path: Path, changes: dict[str, object]) -> None:
    with pytest.raises(TrainingError):
        config(tmp_path, **changes)


def test_nothing_to_resume_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="no run to resume"):
        pretrain(config(tmp_path, resume=True))


def test_legs_follow_the_progress(tmp_path: Path) -> None:
    legs = (Leg(0.5, BatchShape(64)), Leg(1.0, BatchShape(128)))
    run = config(tmp_path, legs=legs)
    assert [run.leg(p).shape.side for p in (0.0, 0.49, 0.5, 0.99, 1.0)] == [64, 64, 128, 128, 128]
