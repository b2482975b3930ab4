"""Evaluation of one model on many objects, asked the way the server would be asked."""

from __future__ import annotations

import zlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np

from sam_infer.arrays import BoolArray, UInt8Array
from sam_infer.imaging.image_file import read_image
from sam_infer.imaging.slice_view import SliceView
from sam_infer.imaging.volume import Volume
from sam_infer.imaging.window import choose_window
from sam_infer.networks.backbone import Backbone
from sam_infer.slices.embedding_cache import EmbeddingCache
from sam_infer.slices.predictor import Options, Prediction, Predictor
from sam_trainer.labels.cases import Subject, Target
from sam_trainer.measures.overlap import dice, hd95_mm, jaccard, nsd
from sam_trainer.reports.journal import Journal
from sam_trainer.reports.table import Observation, observation, plain_observations, read_observations
from sam_trainer.simulation.prompt_styles import Drawn

# Within this distance an edge counts as drawn right: about what two readers differ by. Photographs have no
# millimetres; there it is pixels.
NSD_TOLERANCE_MM = 2.0


@dataclass(frozen=True)
class Asked:
    """One object, its image, and who is asked."""

    target: Target
    volume: Volume
    headline: bool
    predictor: Predictor
    options: Options

    def answer(self, prompts: Drawn) -> Prediction:
        """What the server would answer to these prompts."""
        view = self.target.view
        return self.predictor.predict(self.volume, prompts.on(view), view.index, self.options)

    def shown(self) -> UInt8Array:
        """Displayed pixels (H, W) or (H, W, 3) under the window that suits the object, for baselines and pictures."""
        pixels = self.volume.pixels(self.target.view)
        typical = None if self.volume.is_colour else float(np.median(pixels[self.target.mask]))
        return choose_window(self.volume, self.options.window, typical).apply(pixels)

    def observe(self, keys: Mapping[str, Any], values: Mapping[str, float]) -> Observation:
        """A measurement of this object."""
        return observation(self.target, self.headline, keys, values)

    def quality(self, mask: BoolArray) -> dict[str, float]:
        """All measures of a mask (H, W)."""
        truth, mm = self.target.mask, self.target.view.pixel_mm
        return {
            "dice": dice(mask, truth),
            "jaccard": jaccard(mask, truth),
            "hd95": hd95_mm(mask, truth, mm),
            "nsd": nsd(mask, truth, mm, NSD_TOLERANCE_MM),
        }

    def rng(self, seed: int) -> np.random.Generator:
        """A generator that depends on this object and the seed only, not on what else is measured."""
        return np.random.default_rng([seed, zlib.crc32(self.target.key.encode())])


@dataclass(frozen=True)
class Exam:
    """A model, the objects it is asked about, and how it is asked."""

    backbone: Backbone
    subjects: Sequence[Subject]
    seed: int = 0
    options: Options = field(default_factory=Options)
    journal: Journal = field(default_factory=Journal)

    def each(
        self, title: str, work: Callable[[Asked], Iterable[Observation]], own_cache: bool = False
    ) -> list[Observation]:
        """What `work` observes on every object; `own_cache` gives each its own, so that its encodes can be counted."""
        return self._units(
            title, lambda subject: [seen for asked in self._asked(subject, own_cache) for seen in work(asked)]
        )

    def each_slice(self, title: str, work: Callable[[list[Asked]], Iterable[Observation]]) -> list[Observation]:
        """What `work` observes on every slice with its objects."""
        return self._units(title, lambda subject: [seen for some in self._slices(subject) for seen in work(some)])

    def _units(self, title: str, work: Callable[[Subject], list[Observation]]) -> list[Observation]:
        """Case by case: one that was measured before an interruption is not measured again."""
        named = {f"{title}: {one.case.source}/{one.case.name}": one for one in self.subjects}
        self.journal.expect(list(named))
        found: list[Observation] = []
        for key, subject in named.items():
            asked = partial(_plain, work, subject)
            found += read_observations(self.journal.unit(key, asked) if self.journal.is_kept else asked())
        return found

    def _slices(self, subject: Subject) -> Iterable[list[Asked]]:
        together: dict[SliceView, list[Asked]] = defaultdict(list)
        for asked in self._asked(subject, own_cache=False):
            together[asked.target.view].append(asked)
        return together.values()

    def _asked(self, subject: Subject, own_cache: bool) -> Iterator[Asked]:
        volume = read_image(subject.case.image)
        predictor = Predictor(self.backbone, EmbeddingCache())
        for target in subject.targets:
            if own_cache:
                predictor = Predictor(self.backbone, EmbeddingCache())
            yield Asked(target, volume, subject.headline, predictor, replace(self.options, label=target.label))


def _plain(work: Callable[[Subject], list[Observation]], subject: Subject) -> list[dict[str, Any]]:
    return plain_observations(work(subject))
