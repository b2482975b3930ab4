"""Options of an object in 3D: how its slices are looked at, how it is followed, and by whom."""

from __future__ import annotations

from dataclasses import dataclass, field

from sam_infer.masks.cleanup3d import Consistency
from sam_infer.propagation.end_rule import EndPolicy
from sam_infer.propagation.step import FollowPolicy
from sam_infer.slices.predictor import Options

# What the engines are called, see `engine.py`; `auto` is SAM 2 where the network has a memory, else the tracker.
TRACKER, SAM2, AUTO = "tracker", "sam2", "auto"


@dataclass(frozen=True)
class VolumeOptions:
    """How prompted slices are answered, how masks are followed, and when to stop."""

    slice: Options = field(default_factory=Options)
    follow: FollowPolicy = field(default_factory=FollowPolicy)
    end: EndPolicy = field(default_factory=EndPolicy)
    consistency: Consistency = field(default_factory=Consistency)
    engine: str = AUTO  # who follows the object
