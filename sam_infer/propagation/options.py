"""Options of an object in 3D: how its slices are looked at, when it ends, and who follows it."""

from __future__ import annotations

from dataclasses import dataclass, field

from sam_infer.masks.cleanup3d import Consistency
from sam_infer.propagation.end_rule import EndPolicy
from sam_infer.slices.predictor import Options

# What the engines are called, see `engine.py`; `auto` is SAM 2 where the network has a memory, else the tracker.
TRACKER, SAM2, AUTO = "tracker", "sam2", "auto"


@dataclass(frozen=True)
class VolumeOptions:
    """How prompted slices are answered, who follows masks, and when to stop."""

    slice: Options = field(default_factory=Options)
    end: EndPolicy = field(default_factory=EndPolicy)
    consistency: Consistency = field(default_factory=Consistency)
    engine: str = AUTO  # who follows the object
