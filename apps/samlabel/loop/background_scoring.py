"""Background scoring of cases while nobody clicks: after a promotion and for new images, one case at a time.

It begins with the first accepted label, since without one there is nothing to go by. What it has done is on disk; a
server that is restarted goes on with the next case.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

import structlog

from sam_infer.errors import SamError
from sam_infer.serving.activity import Activity
from sam_trainer.active.case_scoring import CaseScoring

log = structlog.get_logger(__name__)

# How often it looks whether there is anything to do.
LOOK_SECONDS = 15.0


class BackgroundScoring:
    """A thread that keeps scores fresh; `labelled` says whether there is an accepted label.

    `beside` is other work for the same quiet moments, done when nothing waits to be scored; it is told when to stop.
    """

    def __init__(
        self,
        scoring: Callable[[], CaseScoring],
        labelled: Callable[[], bool],
        most: int,
        seconds: float = LOOK_SECONDS,
        beside: Callable[[Callable[[], bool]], None] = lambda should_stop: None,
    ) -> None:
        self._scoring = scoring
        self._labelled = labelled
        self._beside = beside
        self._most = most
        self._seconds = seconds
        self._failed: set[str] = set()  # not tried again before the next start
        self._stop = threading.Event()
        self._activity = Activity()
        self._thread = threading.Thread(target=self._work, name="scoring", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End after the present slice."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()

    def _work(self) -> None:
        while not self._stop.wait(self._seconds):
            self._activity.wait(self._stop.is_set)
            try:
                if self._labelled() and not self._stop.is_set():
                    found = self._scoring().run(self._pause, self._stop.is_set, most=self._most, without=self._failed)
                    self._failed |= set(found.failed)
                    if not self._stop.is_set():
                        self._beside(self._stop.is_set)
            except SamError as error:
                log.warning("scoring waits", reason=str(error))
            except Exception:
                log.exception("scoring failed; strategies go on with the scores they have")

    def _pause(self) -> None:
        self._activity.wait(self._stop.is_set)
