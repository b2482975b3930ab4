"""Trainings whose outcome proves nothing are as small as they may be; what a test says itself stays as it said."""

from __future__ import annotations

from functools import partial

import pytest

from sam_trainer.config import TrainConfig
from sam_trainer.judging.policy import GatePolicy


def ask_few(patch: pytest.MonkeyPatch) -> None:
    """A validation asks two objects and no more."""
    patch.setattr("sam_trainer.training.round_setup.VALIDATION_OBJECTS", 2)


def make_brief(patch: pytest.MonkeyPatch, *modules: str) -> None:
    """Small numbers for the trainings and judgements that modules begin."""
    config = partial(TrainConfig, images=1, objects=2, decodes=2, semantic_images=1, semantic_steps=1)
    policy = partial(GatePolicy, objects_per_case=2, clicks=5)
    for module in modules:
        patch.setattr(f"{module}.TrainConfig", config)
        patch.setattr(f"{module}.GatePolicy", policy)
    ask_few(patch)
