"""Multi-label segmentation in 3D: one propagation per label, overlaps resolved voxel by voxel.

Labels are followed one by one. What one label's reader pointed at is background for every other label on the same
slice. Where masks still meet, a voxel goes to the label whose network answer is surer of it: its logit there, weighted
by the predicted quality of its mask on that slice.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from sam_infer.arrays import Float32Array, UInt8Array
from sam_infer.errors import PromptError
from sam_infer.imaging.slice_view import SliceView
from sam_infer.imaging.volume import Mask, Volume
from sam_infer.job import Job
from sam_infer.prompts.object_prompts import Prompts
from sam_infer.propagation.engine import segment_object
from sam_infer.propagation.options import VolumeOptions
from sam_infer.propagation.result import VolumePrediction
from sam_infer.slices.predictor import Predictor

MAX_LABELS = 255


@dataclass(frozen=True, eq=False)
class LabelPrediction:
    """A label map with values 1..n in the order of the request, and each label's own prediction."""

    mask: Mask
    labels: Mapping[str, VolumePrediction]
    contested: int  # voxels that more than one label claimed
    whole: bool = True  # False: called off; later labels are missing, the last one is not followed to its ends

    def mask_with(self, values: Mapping[str, int]) -> Mask:
        """The label map with other values: a client's list may hold labels that nobody pointed at."""
        table = np.zeros(MAX_LABELS + 1, np.uint8)
        table[1 : len(self.labels) + 1] = [values[name] for name in self.labels]
        return Mask(np.asfortranarray(table[self.mask.array]), self.mask.geometry)


def segment_labels(
    predictor: Predictor,
    volume: Volume,
    prompts: Mapping[str, Prompts],
    options: VolumeOptions | None = None,
    job: Job | None = None,
) -> LabelPrediction:
    """One mask per label, all on slices across the same axis; a label's value is its place in `prompts`, from 1."""
    if not prompts or len(prompts) > MAX_LABELS:
        raise PromptError(f"between 1 and {MAX_LABELS} labels can be segmented at once, got {len(prompts)}", "labels")
    if len({said.axis for said in prompts.values()}) > 1:
        raise PromptError("all labels of a request must be on slices of the same plane", "plane")
    told = {name: _against_others(name, prompts) for name in prompts}
    job = job or Job()
    followed = job.kept((name, segment_object(predictor, volume, said, options, job)) for name, said in told.items())
    found = dict(followed)
    mask = Mask.empty(volume.geometry)
    axis = next(iter(prompts.values())).axis
    contested = 0
    for index in sorted({k for prediction in found.values() for k in prediction.slices_of_mask()}):
        values, disputed = _settled(list(found.values()), volume.view(axis, index))
        volume.view(axis, index).insert(mask.array, values)
        contested += disputed
    return LabelPrediction(mask, found, contested, followed.whole and all(one.whole for one in found.values()))


def _against_others(name: str, prompts: Mapping[str, Prompts]) -> Prompts:
    """A label's prompts with the foreground of the others as background, on slices it has points on itself."""
    mine = prompts[name]
    rivals = [other.positive for label, other in prompts.items() if label != name]
    points = np.concatenate([mine.points[:0], *rivals])
    points = points[np.isin(points[:, mine.axis], mine.positive[:, mine.axis])]
    if {tuple(p) for p in points} & {tuple(p) for p in mine.positive}:
        raise PromptError(f"a foreground point of {name!r} is also one of another label", "points")
    return mine.followed_by(points, np.zeros(len(points), np.int64))


def _settled(found: list[VolumePrediction], view: SliceView) -> tuple[UInt8Array, int]:
    """Values (H, W) of a slice, and how many pixels were contested."""
    masks = [view.extract(prediction.mask.array) > 0 for prediction in found]
    claims = np.sum(masks, axis=0)
    values = np.zeros((view.height, view.width), np.uint8)
    for value, mask in enumerate(masks, 1):
        values[mask] = value
    if not (claims > 1).any():
        return values, 0
    best = np.full(values.shape, -np.inf, np.float32)
    for value, (prediction, mask) in enumerate(zip(found, masks, strict=True), 1):
        sure = np.where(mask & (claims > 1), _sureness(prediction, view), np.float32(-np.inf))
        values[sure > best] = value
        best = np.maximum(best, sure)
    return values, int((claims > 1).sum())


def _sureness(prediction: VolumePrediction, view: SliceView) -> Float32Array:
    """Logits (H, W) times score; a mask without an answer of its own there (a brush stroke) is sure of itself."""
    answer = prediction.answers.get(view.index)
    if answer is None:
        return np.full((view.height, view.width), 100.0, np.float32)
    return np.asarray(answer.logits * np.float32(answer.score), np.float32)
