"""Mixed precision of a training: bfloat16 where the processor is faster with it, else float32."""

from __future__ import annotations

from dataclasses import replace

import torch

from sam_infer.networks.runtimes.precision import AUTO, BFLOAT16, FLOAT32, LEAST_GAIN, bfloat16_gain
from sam_trainer.config import TrainConfig


def settled(config: TrainConfig) -> TrainConfig:
    """The config with the numbers of this machine in the place of `auto`: they are part of what is repeatable."""
    return replace(config, precision=faster_precision()) if config.precision == AUTO else config


def faster_precision() -> str:
    """What this machine computes faster in."""
    if torch.cuda.is_available():
        return BFLOAT16 if torch.cuda.is_bf16_supported() else FLOAT32
    return BFLOAT16 if bfloat16_gain() >= LEAST_GAIN else FLOAT32


def on_cpu() -> torch.autocast:
    """The context of a training that runs on the processor whatever else there is."""
    return torch.autocast("cpu", torch.bfloat16, enabled=bfloat16_gain() >= LEAST_GAIN)


def mixed_precision(precision: str) -> torch.autocast:
    """The context in which a network works."""
    kind = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.autocast(kind, torch.bfloat16, enabled=precision == BFLOAT16)
