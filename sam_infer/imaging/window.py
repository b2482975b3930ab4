"""Intensity windowing (Hounsfield window, percentiles): from intensities to the 8-bit grey a model was trained on.

CT goes through a fixed Hounsfield window, everything else through percentiles of the whole volume (one mapping
per volume: neighbouring slices must not flicker). Colour is passed on untouched.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from sam_infer.arrays import UInt8Array
from sam_infer.errors import PromptError
from sam_infer.imaging.volume import Volume

# (low, high) in HU: level -+ width / 2 of the customary presets.
CT_PRESETS: dict[str, tuple[float, float]] = {
    "soft_tissue": (-160.0, 240.0),
    "abdomen": (-125.0, 275.0),
    "mediastinum": (-135.0, 215.0),
    "lung": (-1350.0, 150.0),
    "bone": (-500.0, 1300.0),
    "brain": (0.0, 80.0),
    "wide": (-1000.0, 1000.0),
}
WINDOWS = ("auto", "file", "percentile", "full", *CT_PRESETS)

# Which preset shows what the reader pointed at: below, lung; above, bone; between, soft tissue.
LUNG_BELOW_HU = -250.0
BONE_ABOVE_HU = 250.0

PERCENTILES = (0.5, 99.5)


@dataclass(frozen=True)
class Window:
    """A linear map: `low` and below become 0, `high` and above 255."""

    name: str
    low: float
    high: float

    def apply(self, pixels: npt.NDArray[Any]) -> UInt8Array:
        """Intensities of any type and shape to uint8 of the same shape."""
        scaled = (pixels.astype(np.float32) - self.low) * (255.0 / max(self.high - self.low, 1e-6))
        return np.clip(np.rint(scaled), 0, 255).astype(np.uint8)

    @property
    def key(self) -> str:
        """What identifies the mapping in a cache key."""
        return f"{self.low:.6g}:{self.high:.6g}"


def choose_window(volume: Volume, wish: str = "auto", target: float | None = None) -> Window:
    """The window for a volume; `target` is the typical intensity of what the reader pointed at.

    `auto` is a CT preset that shows the target, percentiles for other modalities, and leaves colour alone.
    """
    if wish not in WINDOWS:
        raise PromptError(f"window must be one of {', '.join(WINDOWS)}, got {wish!r}", "window")
    if volume.is_colour:
        return Window("colour", 0.0, 255.0)
    if wish in CT_PRESETS:
        return Window(wish, *CT_PRESETS[wish])
    if wish == "file" and volume.file_window is not None:
        return Window("file", *volume.file_window)
    if wish == "full":
        return Window("full", float(volume.array.min()), float(volume.array.max()))
    if wish == "auto" and volume.modality == "CT":
        name = _preset_for(target)
        return Window(name, *CT_PRESETS[name])
    return _percentile_window(volume)


def depends_on_all(volume: Volume, wish: str) -> bool:
    """Whether a window is that of one slice only when all of them are known."""
    return wish not in CT_PRESETS and not (wish == "auto" and volume.modality == "CT")


def _preset_for(target: float | None) -> str:
    if target is None or LUNG_BELOW_HU <= target <= BONE_ABOVE_HU:
        return "soft_tissue"
    return "lung" if target < LUNG_BELOW_HU else "bone"


def _percentile_window(volume: Volume) -> Window:
    # At most about a million voxels: percentiles of a sample are stable, a sort of 60 million is not fast.
    step = max(1, round((volume.array.size / 1e6) ** (1 / 3)))
    sample = volume.array[::step, ::step, :: min(step, volume.array.shape[2])]
    # Zero is air or padding in most non-CT images: it must not shift the mapping, and stays black.
    body = sample[sample > 0] if (sample > 0).any() else sample
    low, high = np.percentile(body, PERCENTILES)
    return Window("percentile", float(low), max(float(high), float(low) + 1e-3))
