"""Training progress as a file that clients' status pages read while the training runs.

3D Slicer and OHIF plot `epoch`, `total_epochs` and `best_metric`, and take the presence of `total_time` as the end.
"""

from __future__ import annotations

import json
import os
import time
from datetime import timedelta
from pathlib import Path
from typing import Any, Protocol

RUNNING, DONE, STOPPED, FAILED, INTERRUPTED = "running", "done", "stopped", "failed", "interrupted"

# More often nobody looks.
WRITE_EVERY_S = 1.0

# Shares of the whole that the stages take: reading labels, training, judging.
_TRAINING_FROM, _TRAINING_TO = 2.0, 88.0


class Listener(Protocol):
    """Who hears how far a training is."""

    def step(self, done: float, epoch: int, loss: float) -> None:
        """A share `done` (0..1) of all steps is taken, `epoch` epochs are complete."""

    def validated(self, epoch: int, metric: float, best: float, best_epoch: int) -> None:
        """An epoch was validated."""


class Progress:
    """The facts about one training; `path` None keeps them in memory only."""

    def __init__(self, path: Path | None, total_epochs: int, **facts: Any) -> None:
        self._path = path
        self._started = time.time()
        self._written = 0.0
        self.facts: dict[str, Any] = {
            "state": RUNNING,
            "stage": "reading labels",
            "percent": 0.0,
            "epoch": 0,
            "total_epochs": total_epochs,
            "start_ts": int(self._started),
            "pid": os.getpid(),
            "best_metric": 0.0,
            "train": {},
            "eval": {},
            **facts,
        }
        self._write()

    def reading(self, done: int, of: int) -> None:
        """So many of the cases are read."""
        self._now("reading labels", _TRAINING_FROM * done / max(of, 1), self.facts["epoch"])
        if time.time() - self._written > WRITE_EVERY_S:
            self._write()

    def step(self, done: float, epoch: int, loss: float, stage: str = "training") -> None:
        """A share `done` (0..1) of all steps is taken, `epoch` epochs are complete."""
        self.facts["train"] = {"loss": round(loss, 5)}
        self._now(stage, _TRAINING_FROM + done * (_TRAINING_TO - _TRAINING_FROM), epoch)
        if time.time() - self._written > WRITE_EVERY_S:
            self._write()

    def validated(self, epoch: int, metric: float, best: float, best_epoch: int) -> None:
        """An epoch was validated."""
        self.facts.update(
            epoch=epoch,
            best_metric=round(best, 5),
            eval={"dice": round(metric, 5), "best_metric": round(best, 5), "best_metric_epoch": best_epoch},
        )
        self._write()

    def judging(self) -> None:
        """Training is over, the gate is at work."""
        self._now("judging", 90.0, self.facts["epoch"])
        self._write()

    def finish(self, state: str, message: str, **facts: Any) -> None:
        """The end, good or bad."""
        self.facts.pop("eta_s", None)
        self.facts.pop("current_time", None)
        percent = 100.0 if state == DONE else self.facts["percent"]
        self.facts.update(
            state=state, stage=state, message=message, percent=percent, total_time=self._passed(), **facts
        )
        self._write()

    def _now(self, stage: str, percent: float, epoch: int) -> None:
        passed = time.time() - self._started
        left = passed * (100.0 - percent) / max(percent, 0.1)
        self.facts.update(
            stage=stage, percent=round(percent, 1), epoch=epoch, eta_s=round(left), current_time=self._passed()
        )

    def _passed(self) -> str:
        return str(timedelta(seconds=int(time.time() - self._started)))

    def _write(self) -> None:
        self._written = time.time()
        if self._path is None:
            return
        part = self._path.with_name(f".{self._path.name}.{os.getpid()}")
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            part.write_text(json.dumps(self.facts))
            part.replace(self._path)
        except OSError:  # a full disk must not end a training that could still be kept
            part.unlink(missing_ok=True)


def read_progress(path: Path) -> dict[str, Any]:
    """The facts of the last training; none when there was none. One whose process is gone is not running."""
    try:
        facts = json.loads(path.read_text())
        if facts["state"] == RUNNING and not _alive(int(facts["pid"])):
            facts.update(state=INTERRUPTED, stage=INTERRUPTED, total_time=facts.get("current_time", "0:00:00"))
            facts["message"] = "the training's process is gone: start again with resume to go on"
    except (OSError, ValueError, KeyError, TypeError):
        return {}
    return dict(facts)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # it is somebody else's, so it is there
        return True
    return True
