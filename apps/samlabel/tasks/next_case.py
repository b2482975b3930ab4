"""Active-learning strategies as the host calls them: each chooses the next case."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from monailabel.interfaces.datastore import Datastore
from monailabel.interfaces.tasks.strategy import Strategy

from sam_trainer.active.strategies import HYBRID, RANDOM
from samlabel.loop.selection import Selection

DESCRIPTIONS = {
    HYBRID: "Cases unlike what is labelled at first, then cases that the network is unsure about",
    "sam_uncertain": "Cases that the network is unsure about",
    "sam_diverse": "Cases unlike what is labelled",
    "sam_badge": "Cases that would change the network most, each in another direction",
    "sam_classbalanced": "Structures with few labels first, then doubt about them",
    "sam_random_fg": "Any case that seems to show something",
    RANDOM: "What viewers without a choice ask for; the setting random_is says what it gets",
    "first": "The first case by name",
}


class NextCase(Strategy):
    """One of the strategies, by its name."""

    def __init__(self, name: str, selection: Callable[[], Selection]) -> None:
        super().__init__(DESCRIPTIONS[name])
        self._name = name
        self._selection = selection

    def __call__(self, request: Mapping[str, Any], datastore: Datastore) -> dict[str, Any] | None:
        """The id of a case with score, reason, adapter and slices, or None when every one has a label."""
        return self._selection().next(self._name, request, datastore)
