"""One fold of the language bench: labels of a case that is left out, named by words, and what words make of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from sam_infer.arrays import BoolArray
from sam_infer.automatic.label_search import LabelSearch
from sam_infer.imaging.volume import Mask
from sam_infer.lru_cache import LruCache
from sam_infer.prompts.box_edits import box_of, box_on_slice
from sam_infer.prompts.object_prompts import Box, Prompts
from sam_infer.slices.predictor import Options, Predictor
from sam_infer.spoken.dialogue import Dialogue
from sam_infer.spoken.learned_boxes import LearnedBoxes
from sam_infer.spoken.scene import Scene
from sam_infer.spoken.text_to_box import Query
from sam_trainer.bench.automatic.folds import AutoPlan, Fold
from sam_trainer.bench.language.speaker import Speaker
from sam_trainer.labels.cases import MIN_PIXELS
from sam_trainer.proposals.left_out import REMEMBERED, LeftOut
from sam_trainer.reports.table import Observation, modality_group, plain_observations

# Where the reader looks when a label is named: nobody knows where, or on the slice that shows most of it.
ANYWHERE, ON_ITS_SLICE = "anywhere", "on its slice"


@dataclass(frozen=True, eq=False)
class NamedLabels:
    """One fold under way."""

    predictor: Predictor
    fold: Fold
    plan: AutoPlan
    memo: LruCache = field(default_factory=lambda: LruCache(REMEMBERED))

    def told(self) -> dict[str, Any]:
        """Measurements as JSON keeps them, and what was said to get there."""
        left_out = self.fold.asked(self.predictor, self.memo)
        seen: list[Observation] = []
        said: dict[str, list[str]] = {}
        for label in self._labels(left_out):
            for looking in (ANYWHERE, ON_ITS_SLICE):
                values, words = self._one(left_out, label, looking)
                seen.append(self._observation(label, looking, values))
                said[f"{label}, {looking}"] = list(words)
        return {"seen": plain_observations(seen), "said": said}

    def _labels(self, left_out: LeftOut) -> Iterator[str]:
        """Labels of the case that can be seen, at most so many."""
        visible = [name for name, there in left_out.whole.items() if there.sum() >= MIN_PIXELS]
        yield from visible[: self.plan.labels]

    def _one(self, left_out: LeftOut, label: str, looking: str) -> tuple[dict[str, float], tuple[str, ...]]:
        asked, truth = left_out.asked, left_out.whole[label]
        search = LabelSearch(
            self.predictor, asked.volume, asked.axis, range(truth.shape[asked.axis]), asked.names, memo=self.memo
        )
        detector = LearnedBoxes(search, lambda: asked.teachers, {})
        most = int(truth.sum(axis=tuple(a for a in range(3) if a != asked.axis)).argmax())
        index = most if looking == ON_ITS_SLICE else None
        found = detector.locate(Query(label, asked.volume, asked.axis, index))
        if found is None:
            return {"iou": 0.0, "iou_3d": 0.0, "dice": 0.0, "best": 0.0, "steps_to_90": 13.0, "reached": 0.0}, ()
        nothing = Mask.empty(asked.volume.geometry)
        scene = Scene(Prompts(asked.axis), most, label, nothing, placed=index is not None)
        dialogue = Dialogue(self.predictor, asked.volume, [detector], Options(search.window))
        talk = Speaker(dialogue, asked.names, truth).talk(scene, f"segment {label.replace('_', ' ')}")
        return {
            "iou": iou(found.on_slice, _on_slice(truth, asked.axis, found.index)),
            "iou_3d": iou(found.around, box_of(np.argwhere(truth))),
            "dice": talk.first,
            "best": talk.best,
            "steps_to_90": float(talk.steps),
            "reached": float(talk.reached),
        }, talk.said

    def _observation(self, label: str, looking: str, values: dict[str, float]) -> Observation:
        case = self.fold.case
        kind = modality_group(case.modality)
        return Observation(case.source, case.name, label, kind, self.fold.headline, (("looking", looking),), values)


def _on_slice(truth: BoolArray, axis: int, index: int) -> Box | None:
    """The box of what a slice shows."""
    there = np.argwhere(truth)
    there = there[there[:, axis] == index]
    return box_on_slice(box_of(there), axis, index) if len(there) else None


def iou(one: Box, other: Box | None) -> float:
    """Overlap of two boxes, both ends included."""
    if other is None:
        return 0.0
    both = np.minimum(one.high, other.high) - np.maximum(one.low, other.low) + 1
    if (both <= 0).any():
        return 0.0
    inner = float(both.prod())
    return inner / (float((one.high - one.low + 1).prod()) + float((other.high - other.low + 1).prod()) - inner)
