"""One fold of the automatic bench: every method on every spot of a case that is left out, and the clicks it leaves."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from sam_infer.arrays import BoolArray, UInt8Array
from sam_infer.automatic.best import Chosen, unmeasured
from sam_infer.errors import PromptError
from sam_infer.imaging.slice_view import SliceView
from sam_infer.imaging.volume import Volume
from sam_infer.lru_cache import LruCache
from sam_infer.models.load import BaseNetwork
from sam_infer.networks.runtimes.precision import FLOAT32
from sam_infer.slices.predictor import Predictor
from sam_trainer.bench.automatic.folds import AutoPlan, Fold
from sam_trainer.bench.automatic.methods import BEST, PREVIOUS, Answer, Namer, baselines_on, kind_of, modes_on
from sam_trainer.bench.exam import NSD_TOLERANCE_MM
from sam_trainer.bench.learning.arms import ARMS, UNET
from sam_trainer.bench.learning.one_training import labels_of, teach_unet
from sam_trainer.measures.overlap import dice, hd95_mm, nsd
from sam_trainer.proposals.choice import ModeChoice, network_of
from sam_trainer.proposals.effort import ClicksLeft, Mending
from sam_trainer.proposals.left_out import REMEMBERED, LeftOut, Spots
from sam_trainer.proposals.measuring import NOTHING, Bounds, count
from sam_trainer.reports.table import Observation, modality_group, plain_observations


@dataclass(frozen=True, eq=False)
class FoldRun:
    """One fold under way."""

    base: BaseNetwork
    predictor: Predictor
    fold: Fold
    plan: AutoPlan
    memo: LruCache = field(default_factory=lambda: LruCache(REMEMBERED))  # registrations come back in other folds

    def told(self) -> dict[str, Any]:
        """Measurements as JSON keeps them, how `best` chose, and what could not be asked."""
        left_out = self.fold.asked(self.predictor, self.memo)
        refused: dict[str, str] = {}
        chosen = self.chosen(left_out)
        unet, seen = self._unet(), list[Observation]()
        for index, names in left_out.spots(Spots(self.plan.slices, self.plan.labels)):
            makers = {**modes_on(left_out, index), **baselines_on(left_out, index, unet)}
            answers = {name: one for name, make in makers.items() if (one := _answer(name, make, refused))}
            for name in names:
                beside = PREVIOUS in answers and bool(left_out.of(name, answers[PREVIOUS].values).any())
                best = _best(chosen[name], answers, beside)
                seen += self._at(left_out, index, name, {**answers, BEST: best})
        return {
            "seen": plain_observations(seen),
            "best": {name: one.facts for name, one in chosen.items()},
            "refused": refused,
        }

    def chosen(self, left_out: LeftOut) -> Mapping[str, Chosen]:
        """What `best` chooses for each label: measured on the accepted cases alone, as a server does."""
        asked = left_out.asked
        bounds = Bounds(seconds=float("inf"), nested=left_out.nested)
        counted = count(asked.predictor, asked.names, asked.teachers, bounds, memo=asked.memo)
        found = ModeChoice(network_of(asked.predictor), "", counted).of(asked.names)
        rule = unmeasured(len(asked.teachers), learned=False)
        return {name: found.get(name, rule) for name in asked.names}

    def _unet(self) -> Namer | None:
        """A U-Net that the other cases taught."""
        labels = labels_of(self.fold.others)
        if not self.plan.budget or not labels:
            return None
        config = ARMS[UNET].config(self.plan.budget, self.plan.seed, FLOAT32)
        network, _ = teach_unet(self.base, config, self.fold.others)
        places = [0, *(self.fold.names.index(n) + 1 if n in self.fold.names else 0 for n in network.labels)]
        table = np.array(places, np.uint8)

        def name(volume: Volume, view: SliceView) -> UInt8Array:
            return np.asarray(table[network(volume, view)])

        return name

    def _at(self, left_out: LeftOut, index: int, name: str, answers: Mapping[str, Answer]) -> list[Observation]:
        """One spot: equal answers are mended once."""
        asked, case = left_out.asked, self.fold.case
        mending = Mending(asked.predictor, asked.volume, asked.view(index), left_out.on(name, index))
        known: dict[bytes, ClicksLeft] = {}
        found = []
        for method, answer in answers.items():
            mask = left_out.of(name, answer.values)
            same = mask.tobytes()
            effort = known.get(same) or mending.after(mask)
            known[same] = effort
            values = {**_quality(mask, mending.truth, mending.view.pixel_mm), "seconds": answer.seconds}
            values |= {"clicks": float(effort.clicks), "reached": float(effort.reached)}
            keys = (("method", method), ("kind", kind_of(method)))
            modality = modality_group(case.modality)
            found.append(Observation(case.source, case.name, name, modality, self.fold.headline, keys, values))
        return found


def _answer(name: str, make: Callable[[], Answer], refused: dict[str, str]) -> Answer | None:
    """What a method answers; a refusal is kept as a sentence."""
    try:
        return make()
    except PromptError as error:
        refused[name] = str(error)
        return None


def _best(chosen: Chosen, answers: Mapping[str, Answer], beside: bool) -> Answer:
    """What `best` answers, given the slice before as it was accepted; the reader may be left to begin with a click."""
    if beside and chosen.beside is not None:
        return answers[PREVIOUS]
    way = chosen.way.name if chosen.way is not None else NOTHING
    return answers.get(way, answers[NOTHING])


def _quality(mask: BoolArray, truth: BoolArray, pixel_mm: tuple[float, float]) -> dict[str, float]:
    return {
        "dice": dice(mask, truth),
        "nsd": nsd(mask, truth, pixel_mm, NSD_TOLERANCE_MM),
        "hd95": hd95_mm(mask, truth, pixel_mm),
    }
