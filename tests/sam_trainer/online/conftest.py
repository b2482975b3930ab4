"""Small samples with one mistake in all of them: what is meant is wider than what the network found."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from scipy import ndimage

from sam_trainer.online.learner import Correction

SIDE = 16


def wider(number: int, case: str = "") -> Correction:
    rng = np.random.default_rng(number)
    found = np.zeros((SIDE, SIDE), bool)
    row, col = rng.integers(4, 7, 2)
    found[row : row + 5, col : col + 5] = True
    meant = ndimage.binary_dilation(found, iterations=2)
    picture = np.repeat((90 * found + 60 * meant + rng.integers(0, 20, found.shape))[..., None], 3, axis=2)
    logits = np.where(found, 3.0, -3.0).astype(np.float32)
    return Correction(case or f"case{number}", number, picture.astype(np.uint8), logits, meant)


@pytest.fixture(scope="session")
def sample() -> Callable[..., Correction]:
    return wider


@pytest.fixture(autouse=True)
def alone(one_thread: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Networks here are small."""
    monkeypatch.setattr("sam_trainer.online.network.LEVELS", 2)
