"""How the next case is chosen, as the host calls it."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any

from monailabel.interfaces.datastore import Datastore
from monailabel.interfaces.tasks.strategy import Strategy


class RandomCase(Strategy):
    """Any case without a label. The host's version fails when all of them were offered within the same second."""

    def __init__(self) -> None:
        super().__init__("Any case without a label")

    def __call__(self, request: Mapping[str, Any], datastore: Datastore) -> dict[str, Any] | None:
        """The id of a case, or None when every one has a label."""
        cases = datastore.get_unlabeled_images()
        return {"id": random.choice(cases)} if cases else None
