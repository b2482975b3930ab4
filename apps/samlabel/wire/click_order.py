"""The order in which a reader clicked: clients send foreground and background apart, and `order` says how they went.

    order    [1, 1, 0, 1]: foreground, foreground, background, foreground; one number per point of the two lists

It is a client's choice. Without it the foreground is taken to have come first, each list in the order that was sent.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from sam_infer.arrays import Int64Array
from sam_infer.errors import PromptError
from sam_infer.prompts.object_prompts import BACKGROUND, FOREGROUND, indices

LISTS = {FOREGROUND: "foreground", BACKGROUND: "background"}


def decode_order(given: Mapping[str, Any]) -> Int64Array:
    """The turns of foreground, then background points, each point once; empty when nobody told.

    Both lists of points were checked before.
    """
    order = given.get("order")
    if order is None or order == []:
        return np.zeros(0, np.int64)
    if not isinstance(order, list) or any(type(side) is not int or side not in LISTS for side in order):
        raise PromptError(f"order must be a list of 1 (foreground) and 0 (background), got {str(order)[:80]}", "order")
    turns = []
    for side, name in LISTS.items():
        places = [turn for turn, one in enumerate(order) if one == side]
        sent = given.get(name) or []
        if len(places) != len(sent):
            raise PromptError(f"order has {len(places)} points of {name}, and {len(sent)} were sent", "order")
        first: dict[tuple[int, ...], int] = {}
        for turn, voxel in zip(places, indices(sent, name).tolist() if sent else (), strict=True):
            first.setdefault(tuple(voxel), turn)
        turns += list(first.values())
    return np.array(turns, np.int64)
