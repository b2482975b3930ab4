"""Pace of a network that remembers: seconds per slice on this machine, measured once, before a reader waits for many.

A slice costs the same whatever is on it: it is encoded, the memory is looked through, and the answer is remembered.
"""

from __future__ import annotations

import threading
import time

import numpy as np

from sam_infer.networks.backbone import Backbone, Hints
from sam_infer.networks.slice_memory import RemembersSlices, SliceMemory

# As many as SAM 2 looks back at; pointers to older ones cost nothing.
FULL = 7

_known: dict[str, float] = {}
_lock = threading.Lock()


def seconds_per_slice(backbone: Backbone, network: RemembersSlices) -> float:
    """Encoding and following one slice with a full memory."""
    with _lock:
        if backbone.weights_id not in _known:
            _known[backbone.weights_id] = _measured(backbone, network)
        return _known[backbone.weights_id]


def _measured(backbone: Backbone, network: RemembersSlices) -> float:
    side = backbone.input_size
    started = time.perf_counter()
    features = backbone.encode(np.full((1, side, side, 3), 128, np.uint8))
    middle = np.full((1, 2), side / 2, np.float32)
    seen = network.prompted(features, Hints(middle, np.ones(1, np.int64)))
    memory = SliceMemory(FULL, False, None, {0: seen}, {k: seen for k in range(1, FULL)})
    network.recalled(features, FULL, memory)
    return time.perf_counter() - started
