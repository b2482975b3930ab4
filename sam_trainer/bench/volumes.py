"""3D bench: propagation from prompts on one slice or on three, measured against the labelled structure.

middle_box, largest_box   the tight box on the middle slice, or on the one with the largest area
point                     one click in the middle of the middle slice
three_slices              tight boxes at a tenth, half and nine tenths of the structure's slices
box3d                     the tight box in 3D
extruded, ellipse         baselines: the middle slice's box, or the ellipse in it, on every slice of the structure
per_slice_oracle          ceiling: a tight box from the truth on every slice, each answered alone
seed, warped              no prompt: another case of the source shows the object (`seeded.py`), or is only laid over it
after_0 ... after_10      middle_box, then so many clicks of a simulated reader on the worst place of the worst slice
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

import cv2
import numpy as np

from sam_infer.arrays import BoolArray, Int64Array
from sam_infer.ask.seeded import seeded_object
from sam_infer.automatic.example import AcceptedCase
from sam_infer.automatic.label_search import LabelSearch
from sam_infer.errors import PromptError
from sam_infer.imaging.slice_view import SliceView
from sam_infer.imaging.volume import Volume
from sam_infer.networks.backbone import Backbone
from sam_infer.prompts.object_prompts import FOREGROUND, Prompts
from sam_infer.prompts.volume_prompts import VolumePrompts
from sam_infer.propagation.engine import segment_object
from sam_infer.propagation.options import VolumeOptions
from sam_infer.slices.embedding_cache import EmbeddingCache
from sam_infer.slices.predictor import Predictor
from sam_trainer.bench.exam import NSD_TOLERANCE_MM
from sam_trainer.labels.objects3d import Structure
from sam_trainer.measures.overlap import dice, hd95_mm, nsd
from sam_trainer.simulation.prompt_styles import centre_point
from sam_trainer.simulation.volume_reader import correcting

# After how many corrections the mask is measured.
CORRECTIONS = (0, 1, 3, 5, 10)

# Where the three prompted slices lie: near both ends and in the middle.
THREE = (0.1, 0.5, 0.9)

ORACLE, EXTRUDED = "per_slice_oracle", "extruded"


@dataclass(frozen=True)
class Protocol3d:
    """One structure, its image, and who is asked."""

    structure: Structure
    volume: Volume
    backbone: Backbone
    options: VolumeOptions
    seeds: tuple[AcceptedCase, ...] = ()  # other cases with the structure as value 1

    def predictor(self) -> Predictor:
        """With an empty cache: every protocol pays for its own encodes."""
        return Predictor(self.backbone, EmbeddingCache())

    def followed(self, prompts: Prompts, boxes_on: tuple[int, ...] = ()) -> BoolArray:
        """What propagation makes of prompts and of tight boxes on some slices (I, J, K)."""
        boxes = [self.structure.box(index) for index in boxes_on]
        said = VolumePrompts.of(prompts, self.volume.geometry, boxes)
        return segment_object(self.predictor(), self.volume, said, self.options).mask.array > 0

    def quality(self, mask: BoolArray) -> dict[str, float]:
        """All measures of a mask (I, J, K)."""
        truth, mm = self.structure.mask, self.volume.geometry.spacing_mm
        return {
            "dice": dice(mask, truth),
            "hd95_mm": hd95_mm(mask, truth, mm),
            "nsd": nsd(mask, truth, mm, NSD_TOLERANCE_MM),
            "extent_error": extent_error(mask, self.structure),
        }


def _middle_box(trial: Protocol3d) -> BoolArray:
    return trial.followed(Prompts(trial.structure.axis), (trial.structure.at(0.5),))


def _largest_box(trial: Protocol3d) -> BoolArray:
    return trial.followed(Prompts(trial.structure.axis), (int(trial.structure.areas.argmax()),))


def _point(trial: Protocol3d) -> BoolArray:
    structure = trial.structure
    view = trial.volume.view(structure.axis, structure.at(0.5))
    point = view.to_stored(centre_point(view.extract(structure.mask))).astype(np.int64)
    return trial.followed(Prompts(structure.axis, point, np.array([FOREGROUND])))


def _three_slices(trial: Protocol3d) -> BoolArray:
    slices = sorted({trial.structure.at(share) for share in THREE})
    return trial.followed(Prompts(trial.structure.axis), tuple(slices))


def _box3d(trial: Protocol3d) -> BoolArray:
    return trial.followed(Prompts(trial.structure.axis, box=trial.structure.box()))


def _extruded(trial: Protocol3d) -> BoolArray:
    return _on_every_slice(trial.structure, _filled_box)


def _ellipse(trial: Protocol3d) -> BoolArray:
    return _on_every_slice(trial.structure, _filled_ellipse)


def _per_slice_oracle(trial: Protocol3d) -> BoolArray:
    structure, predictor = trial.structure, trial.predictor()
    out = np.zeros(structure.mask.shape, np.uint8)
    for index in structure.slices:
        prompts = Prompts(structure.axis, box=structure.box(index))
        found = predictor.predict(trial.volume, prompts, index, trial.options.slice)
        found.view.insert(out, found.pixels.astype(np.uint8))
    return out > 0


def seeded(trial: Protocol3d) -> Iterator[tuple[str, BoolArray, dict[str, float]]]:
    """`(protocol, mask, measures)` as another case shows the object, and of that case's label laid over this one.

    Where that label falls outside, a reader is refused: nothing is found, by either.
    """
    structure, started = trial.structure, time.perf_counter()
    slices = range(trial.volume.geometry.shape[structure.axis])
    search = LabelSearch(trial.predictor(), trial.volume, structure.axis, slices, (structure.label,))
    nothing = np.zeros_like(structure.mask)
    masks, confidence, refused = {"seed": nothing, "warped": nothing}, 0.0, 0.0
    try:
        found = seeded_object(search, trial.seeds, trial.options)
        masks = {"seed": found.object.mask.array > 0, "warped": found.warped.array > 0}
        confidence = found.confidence
    except PromptError:
        refused = 1.0
    seconds = {"seconds": time.perf_counter() - started, "confidence": confidence, "refused": refused}
    own, other = (trial.quality(mask) for mask in masks.values())
    above = own["dice"] - other["dice"]
    yield "seed", masks["seed"], {**own, **seconds, "above_warped": above}
    yield "warped", masks["warped"], other


PROTOCOLS: dict[str, Callable[[Protocol3d], BoolArray]] = {
    "middle_box": _middle_box,
    "largest_box": _largest_box,
    "point": _point,
    "three_slices": _three_slices,
    "box3d": _box3d,
    EXTRUDED: _extruded,
    "ellipse": _ellipse,
    ORACLE: _per_slice_oracle,
}


def corrected(trial: Protocol3d) -> Iterator[tuple[str, BoolArray, dict[str, float]]]:
    """`(protocol, mask, measures)` after some numbers of corrections; the predictor is one, as at a server."""
    structure, predictor, geometry = trial.structure, trial.predictor(), trial.volume.geometry
    box, seconds = structure.box(structure.at(0.5)), [0.0]

    def ask(prompts: Prompts) -> BoolArray:
        started = time.perf_counter()
        said = VolumePrompts.of(prompts, geometry, [box])
        mask = segment_object(predictor, trial.volume, said, trial.options).mask.array > 0
        seconds[0] = time.perf_counter() - started
        return mask

    def view(index: int) -> SliceView:
        return trial.volume.view(structure.axis, index)

    session = correcting(ask, Prompts(structure.axis), structure.mask, view)
    for number, (mask, viewed) in enumerate(islice(session, CORRECTIONS[-1] + 1)):
        if number in CORRECTIONS:
            measures = {**trial.quality(mask), "seconds": seconds[0], "slices_viewed": float(viewed)}
            yield f"after_{number}", mask, measures


def answers(
    trial: Protocol3d, protocols: Sequence[str] = tuple(PROTOCOLS)
) -> Iterator[tuple[str, BoolArray, dict[str, float]]]:
    """`(protocol, mask, measures)` of some protocols; the masks are (I, J, K)."""
    for name in protocols:
        protocol = PROTOCOLS[name]
        started = time.perf_counter()
        mask = protocol(trial)
        seconds = time.perf_counter() - started
        yield name, mask, {**trial.quality(mask), "seconds": seconds}


def extent_error(mask: BoolArray, structure: Structure) -> float:
    """Slices by which the mask ends too early or too late, the worse end; all of them when it is empty."""
    others = tuple(a for a in range(3) if a != structure.axis)
    filled, true = np.flatnonzero(mask.any(axis=others)), structure.slices
    if not len(filled):
        return float(len(true))
    return float(max(abs(int(filled[0]) - true[0]), abs(int(filled[-1]) - true[-1])))


def _on_every_slice(structure: Structure, draw: Callable[[BoolArray], BoolArray]) -> BoolArray:
    """What is drawn from the middle slice's outline, on all slices of the structure."""
    middle = structure.at(0.5)
    drawn = draw(np.asarray(structure.mask.take(middle, structure.axis)))
    out = np.zeros(structure.mask.shape, bool)
    np.moveaxis(out, structure.axis, 0)[structure.slices[0] : structure.slices[-1] + 1] = drawn
    return out


def _filled_box(outline: BoolArray) -> BoolArray:
    out = np.zeros_like(outline)
    out[np.ix_(_span(outline, 1), _span(outline, 0))] = True
    return out


def _filled_ellipse(outline: BoolArray) -> BoolArray:
    rows, cols = _span(outline, 1), _span(outline, 0)
    out = np.zeros(outline.shape, np.uint8)
    box = ((float(cols.mean()), float(rows.mean())), (float(len(cols)), float(len(rows))), 0.0)
    cv2.ellipse(out, box, (1.0,), cv2.FILLED)
    return out > 0


def _span(outline: BoolArray, axis: int) -> Int64Array:
    """Every index from the first to the last that is not empty."""
    filled = np.flatnonzero(outline.any(axis=axis))
    return np.arange(filled[0], filled[-1] + 1)


def views(structure: Structure, volume: Volume, shares: tuple[float, ...]) -> list[SliceView]:
    """Slices at shares of the way through a structure."""
    return [volume.view(structure.axis, structure.at(share)) for share in shares]
