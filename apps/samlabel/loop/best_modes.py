"""Which automatic mode is best for each label, as accepted cases say: counted in the background, read by requests.

What was counted is kept in a file of the user's home, beside the scores of the same studies. It is counted anew when
accepted labels or the network have changed; until then requests go by what is there, if it is of the same network.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import structlog

from sam_infer.automatic.best import Chosen
from sam_infer.home import default_home
from sam_infer.imaging.volume import Volume
from sam_infer.job import CancelledError, Job
from sam_infer.serving.activity import Activity
from sam_infer.serving.server_state import Serving
from sam_infer.slices.predictor import Predictor
from sam_trainer.proposals.choice import ModeChoice, network_of, renewed
from sam_trainer.studies import Studies
from samlabel.loop.examples import Examples

log = structlog.get_logger(__name__)

FILE = "best_modes.json"


def choice_file(studies: Studies) -> Path:
    """Where the choice of some studies is kept."""
    return default_home() / "scores" / studies.key / FILE


class BestModes:
    """The choice for the studies of some examples."""

    def __init__(self, examples: Examples) -> None:
        self._examples = examples
        self._file = choice_file(Studies.of(examples.studies))

    def known(self, predictor: Predictor, volume: Volume) -> Mapping[str, Chosen]:
        """By label, without what was counted on the image itself; empty where nothing was counted for the network."""
        choice = ModeChoice.read(self._file)
        if choice is None or choice.network != network_of(predictor):
            return {}
        return choice.of(self._examples.names, without=volume.digest)

    def renew(self, serving: Serving, should_stop: Callable[[], bool]) -> None:
        """Count where something has changed, while nobody clicks.

        Not in the queue of clicks: what accepted cases teach takes seconds at a time, and a click would wait for it.
        """
        predictor, activity = serving.predictor, Activity()

        def over() -> bool:
            activity.wait(should_stop)
            return should_stop() or serving.predictor.adapter != predictor.adapter

        job = Job(cancelled=over)
        try:
            choice = renewed(
                self._file,
                self._examples.version,
                predictor,
                self._examples.names,
                lambda: self._examples.others(serving, None),
                job,
            )
        except CancelledError:
            return
        log.debug("best modes", spots=len(choice.counted))
