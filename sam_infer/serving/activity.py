"""Reader activity, shared between processes by a file's age: background work pauses or lowers its priority (nice)."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

from sam_infer.home import default_home

NAME = "last-click"

# A reader who clicked so recently will click again.
QUIET_SECONDS = 3.0

# Telling more often would cost more than it says.
TOLD_SECONDS = 0.5

# Steps of niceness: on two cores a training then takes what the clicks of a server leave. The last place (19) would
# keep a training on a busy machine from ever getting anywhere.
BEHIND_CLICKS = 10


def step_aside() -> None:
    """Let other processes on this machine go before this one and those that it starts."""
    os.nice(max(0, BEHIND_CLICKS - os.nice(0)))


class Activity:
    """The last click on any server of this home."""

    def __init__(self, home: Path | None = None, now: Callable[[], float] = time.time) -> None:
        self._file = (home or default_home()) / NAME
        self._now = now
        self._told = 0.0

    def note(self) -> None:
        """A reader clicked."""
        if self._now() - self._told < TOLD_SECONDS:
            return
        self._told = self._now()
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            self._file.touch()
        except OSError:  # a full disk must not cost a click
            return

    def busy(self, quiet: float = QUIET_SECONDS) -> bool:
        """Whether a reader clicked within the last seconds."""
        try:
            return 0 <= self._now() - self._file.stat().st_mtime < quiet
        except OSError:
            return False

    def wait(self, should_stop: Callable[[], bool] = lambda: False, quiet: float = QUIET_SECONDS) -> None:
        """Come back when nobody clicked for a while, or when asked to stop."""
        while self.busy(quiet) and not should_stop():
            time.sleep(min(quiet / 4, 0.25))
