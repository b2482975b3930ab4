"""Which candidate a single click means: a linear ranker on a few features of each, with numbers per model.

A network's predicted IoU says how clean a mask is, not whether it is what somebody clicked on: SAM gives the whole
picture the highest one. So the masks are also asked how sure their edge is, how large they are, whether they run along
the border of the picture, where in them the click lies, and whether what they cover looks like the place of the click.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from sam_infer.arrays import BoolArray, Float32Array, Float64Array
from sam_infer.masks.cleanup2d import stability
from sam_infer.networks.backbone import Candidates, Hints, downscale_mask
from sam_infer.networks.frame import Frame
from sam_infer.weights.prompting import Ranker, Sizes

# The candidates of an ambiguous prompt; what follows them answers clear ones.
AMBIGUOUS = 3

# A mask's surroundings, and the place of a click, in low-resolution pixels as a share of the side.
RING, SPOT = 0.02, 0.012

# So many accepted objects say half of what infinitely many would say about the size of a label's objects.
HALF_KNOWN = 4.0


@dataclass(frozen=True)
class Ranking:
    """A ranker, and the label that is asked for."""

    ranker: Ranker
    label: str = ""


@dataclass(frozen=True, eq=False)
class Shown:
    """What the network was shown, at the resolution of its masks."""

    grey: Float32Array  # (rows, cols) displayed 0..255, the used part
    click: tuple[int, int]  # row, column
    pixel_mm2: float

    @classmethod
    def of(
        cls, pixels: npt.NDArray[Any], frame: Frame, hints: Hints, pixel_mm: tuple[float, float], side: int
    ) -> Shown:
        """The one click of `hints` on a frame of displayed `pixels` (H, W) or (H, W, 3); masks have this `side`."""
        cut = frame.cut(pixels).astype(np.float32)
        grey = downscale_mask(cut.mean(axis=2) if cut.ndim == 3 else cut, frame, side)
        share = side / frame.input_size
        rows, cols = max(1, round(share * frame.input_height)), max(1, round(share * frame.input_width))
        col, row = (int(value) for value in np.floor((hints.points_xy[0] + 0.5) * share))
        place = min(max(row, 0), rows - 1), min(max(col, 0), cols - 1)
        mm2 = frame.crop.height * frame.crop.width * pixel_mm[0] * pixel_mm[1] / (rows * cols)
        return cls(grey[:rows, :cols], place, mm2)


def ranked(candidates: Candidates, shown: Shown, ranking: Ranking) -> int:
    """The candidate that the ranker puts first."""
    values = [_value(candidates, number, shown, ranking) for number in range(AMBIGUOUS)]
    return int(np.argmax(values))


def _value(candidates: Candidates, number: int, shown: Shown, ranking: Ranking) -> float:
    found = features(candidates.logits[number], float(candidates.scores[number]), number, shown)
    sizes = ranking.ranker.sizes.get(ranking.label)
    if sizes is not None:
        found["unlikely_size"] = unlikely_size(found["log_mm2"], sizes)
    return sum(weight * found.get(name, 0.0) for name, weight in ranking.ranker.weights.items())


def unlikely_size(log_mm2: float, sizes: Sizes) -> float:
    """How far a size is from those of the label's accepted objects; the fewer there are, the less it counts."""
    apart = (log_mm2 - sizes.mean) / sizes.deviation
    return min(apart * apart, 9.0) * sizes.objects / (sizes.objects + HALF_KNOWN)


def features(logits: Float32Array, score: float, number: int, shown: Shown) -> dict[str, float]:
    """What is known of one candidate (low_res, low_res), each about between -1 and 1; `log_mm2` is for sizes."""
    rows, cols = shown.grey.shape
    used = logits[:rows, :cols]
    mask = used > 0
    share = float(mask.mean())
    log_share = math.log(max(share, 1e-4)) / 4.0
    found = {
        "raw_score": score,
        "score": min(max(score, 0.0), 1.0),
        "score_above_1": min(max(score - 1.0, 0.0), 0.2) * 5.0,
        "stability": stability(used),
        "log_share": log_share,
        "log_share_2": log_share * log_share,
        "border": _along_border(mask),
        f"candidate_{number}": 1.0,
        "log_mm2": math.log(max(float(mask.sum()), 0.5) * shown.pixel_mm2),
    }
    return found | _at_the_click(mask, shown) | _looks(mask, shown)


def _along_border(mask: BoolArray) -> float:
    """The share of the picture's border that lies in the mask (rows, cols)."""
    return float(np.concatenate([mask[0], mask[-1], mask[:, 0], mask[:, -1]]).mean())


def _at_the_click(mask: BoolArray, shown: Shown) -> dict[str, float]:
    """Whether the click lies in the mask, how near to the middle, and how much of the mask hangs together with it."""
    if not mask[shown.click]:
        return {"missed": 1.0}
    numbered, _ = ndimage.label(mask)
    piece = numbered == numbered[shown.click]
    row, col = ndimage.center_of_mass(piece)
    apart = math.hypot(row - shown.click[0], col - shown.click[1]) / math.sqrt(float(piece.sum()))
    bounds = ndimage.find_objects(piece.astype(np.uint8))[0]
    box = (bounds[0].stop - bounds[0].start) * (bounds[1].stop - bounds[1].start)
    return {
        "off_centre": min(apart, 1.0),
        "in_pieces": 1.0 - float(piece.sum() / mask.sum()),
        "fills_box": float(piece.sum()) / box,
    }


def _looks(mask: BoolArray, shown: Shown) -> dict[str, float]:
    """How the inside looks against the place of the click and its surroundings, in deviations of the picture."""
    inside = shown.grey[mask]
    spread = float(shown.grey.std()) + 1e-3
    if not len(inside):
        return {}
    size = max(shown.grey.shape)
    around = _grown(mask, max(1, round(RING * size)))
    ring = shown.grey[around & ~mask]
    reach = max(1, round(SPOT * size))
    row, col = shown.click
    spot = shown.grey[max(row - reach, 0) : row + reach + 1, max(col - reach, 0) : col + reach + 1]
    away = abs(float(inside.mean()) - float(np.median(spot))) / spread
    contrast = abs(float(inside.mean()) - float(ring.mean())) / spread if len(ring) else 0.0
    return {
        "unlike_click": min(away, 2.0),
        "contrast": min(contrast, 2.0),
        "mixed": min(float(inside.std()) / spread, 2.0),
    }


def _grown(mask: BoolArray, pixels: int) -> BoolArray:
    distance: Float64Array = ndimage.distance_transform_cdt(~mask, "chessboard")
    return np.asarray(distance <= pixels)
