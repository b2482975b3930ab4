"""Encoder precision: bfloat16 or float16 where the machine is faster with it, else float32.

Encoding is where the time goes; decoding stays in float32. Masks then agree with those of float32 to a Dice of 0.995.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING

from sam_infer.errors import ModelError

if TYPE_CHECKING:  # the words are read before torch is loaded
    import torch

AUTO, FLOAT32, BFLOAT16 = "auto", "float32", "bfloat16"
PRECISIONS = (AUTO, FLOAT32, BFLOAT16)

# Machines made for these numbers are two to three times as fast with them, all others slower: no load blurs that.
LEAST_GAIN = 1.4

# The largest product in a block of vit_b: 4096 places, 768 features.
PLACES, FEATURES, WIDER = 4096, 768, 3072
ROUNDS = 3


def number_type(wanted: str, device: torch.device) -> torch.dtype:
    """The type for an encoder on a device."""
    import torch

    if wanted not in PRECISIONS:
        raise ModelError(f"precision must be one of {', '.join(PRECISIONS)}, got {wanted!r}", "precision")
    if wanted != AUTO:
        return torch.float32 if wanted == FLOAT32 else torch.bfloat16
    if device.type == "cuda":
        return torch.float16
    return torch.bfloat16 if bfloat16_gain() >= LEAST_GAIN else torch.float32


@cache
def bfloat16_gain() -> float:
    """How many times faster this processor multiplies in bfloat16, measured once: 0.1 s where it does."""
    import torch

    if not torch.ops.mkldnn._is_mkldnn_bf16_supported():
        return 0.0  # it would be imitated: to measure that took three minutes
    images = torch.ones(PLACES, FEATURES)
    weights = torch.ones(FEATURES, WIDER)
    shorter = images.bfloat16(), weights.bfloat16()
    exact = min(_seconds(lambda: images @ weights) for _ in range(ROUNDS))
    return exact / min(_seconds(lambda: shorter[0] @ shorter[1]) for _ in range(ROUNDS))


def _seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started
