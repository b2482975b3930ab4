"""A copy of the preloaded process that is killed in the midst of loading a part of ITK keeps no other one waiting."""

from __future__ import annotations

import time
from pathlib import Path

from tests.processes import HANG_S, apart, wait_until


def hold(told: Path) -> None:
    """Be in the midst of loading, for ever."""
    from itk.support.lazy import LazyITKModule

    with LazyITKModule.get_lock():
        told.touch()
        time.sleep(HANG_S)


def load() -> None:
    """Use a part of ITK that nobody has used."""
    import itk

    assert itk.MedianImageFilter


def test_a_killed_copy_keeps_nobody_waiting(tmp_path: Path) -> None:
    with apart(hold, tmp_path / "held"):
        wait_until((tmp_path / "held").exists, "the lock is held")
    with apart(load) as other:
        other.join(HANG_S)
        assert other.exitcode == 0
