"""Uncertainty score of an unlabelled case, from the network's own automatic labels; active learning ranks by it.

The automatic labels come from the adapter's semantic head where it has one, else from accepted cases (mode selfprompt);
every label on every slice is then looked at again.
A label that accepted cases have and this one seems to lack is doubt of its own: as much as it is common.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from sam_infer.arrays import BoolArray, Float32Array, Float64Array
from sam_infer.ask.answer import answer
from sam_infer.ask.context import Context
from sam_infer.ask.question import LabelQuestion
from sam_infer.automatic.example import AcceptedCase
from sam_infer.automatic.expected import coarse_maps
from sam_infer.automatic.label_search import FEWEST_PIXELS, LabelSearch
from sam_infer.errors import PromptError
from sam_infer.imaging.canonical_view import CanonicalView
from sam_infer.imaging.slice_view import SliceView
from sam_infer.imaging.volume import Mask, Tags, Volume
from sam_infer.imaging.window import choose_window
from sam_infer.job import Job
from sam_infer.lru_cache import LruCache
from sam_infer.networks.backbone import upscale_logits
from sam_infer.networks.frame import whole
from sam_infer.slices.predictor import Predictor
from sam_infer.uncertainty.calibration import UNCALIBRATED, Calibration
from sam_infer.uncertainty.case_vectors import looks_of, pull_of, unit
from sam_infer.uncertainty.measures import (
    ADAPTERS,
    DEFAULT,
    MEASURES,
    PROMPTS,
    SEMANTIC,
    VIEWS,
    Evidence,
    expected_dice,
)
from sam_infer.uncertainty.probe import Probe

# Slices of a volume that are looked at: doubt varies slowly from one to the next.
MOST_SLICES = 12

# What each measure needs beyond the answer itself.
KINDS = {"views": (VIEWS,), "adapters": (ADAPTERS,)}
USUAL = (PROMPTS, SEMANTIC)

# With fewer accepted sizes nobody knows what is usual; a few that are equal by chance do not make it narrow.
LEAST_SIZES, LEAST_SPREAD = 2, 0.2


@dataclass(frozen=True)
class ScoreSettings:
    """How cases are scored."""

    method: str = DEFAULT
    slices: int = MOST_SLICES
    calibration: Calibration = UNCALIBRATED
    earlier: Sequence[Predictor] = ()  # of the last adapters, for method `adapters`
    kinds: tuple[str, ...] = ()  # looks besides what the method needs


@dataclass(frozen=True)
class CaseScore:
    """The score of one case, 0 (sure) to 1; larger is more worth a label."""

    value: float | None  # None: nothing to go by, the case is embedded only
    labels: Mapping[str, float] = field(default_factory=dict)
    expected_dice: Mapping[str, float] = field(default_factory=dict)  # of the automatic labels that were found
    slices: tuple[int, ...] = ()  # stored indices, the most doubtful first
    found_mm3: float = 0.0  # volume of all automatic labels
    looks: tuple[float, ...] = ()
    pull: tuple[float, ...] = ()


@dataclass(frozen=True)
class Seen:
    """One label on one slice."""

    label: int
    number: int  # of the slice in the canonical view
    value: float
    weight: float  # mm^2 of the region
    expected: float
    pull: Float64Array
    evidence: Evidence


@dataclass(frozen=True, eq=False)
class Scorer:
    """Scores cases by one predictor, learning from the same accepted cases."""

    predictor: Predictor
    labels: tuple[str, ...]
    cases: Sequence[AcceptedCase]
    settings: ScoreSettings = field(default_factory=ScoreSettings)
    job: Job = field(default_factory=Job)
    memo: LruCache = field(default_factory=LruCache)

    def about(self, tags: Callable[[], Tags]) -> Scorer:
        """The scorer of an image with these tags."""
        earlier = [one.about(tags) for one in self.settings.earlier]
        settings = replace(self.settings, earlier=earlier) if earlier else self.settings
        return replace(self, predictor=self.predictor.about(tags), settings=settings)

    def score(self, volume: Volume, axis: int) -> CaseScore:
        """The score of an image, whose slices run across stored `axis`."""
        view = CanonicalView.of(volume, axis, self.settings.slices)
        part = view.volume(volume)
        try:
            found = self.automatic(part, axis)
        except PromptError:  # no accepted case of this kind yet
            embedded = self.judge(part, view, Mask.empty(part.geometry))
            return replace(embedded, value=None, labels={})
        return self.judge(part, view, found)

    def automatic(self, part: Volume, axis: int) -> Mask:
        """Labels of a canonical volume without a hint, values in the order of the labels."""
        head = self.predictor.semantic
        mode = SEMANTIC if head is not None and set(self.labels) <= set(head.labels) else "selfprompt"
        question = LabelQuestion(mode, axis, range(part.geometry.shape[axis]), self.labels)
        return answer(question, self.predictor, part, Context(self.job, lambda: self.cases, self.memo)).mask

    def judge(self, part: Volume, view: CanonicalView, found: Mask) -> CaseScore:
        """The score of a canonical volume, given its automatic labels."""
        looks = [self._looks(part, part.view(view.axis, n), found) for n in range(len(view.slices))]
        seen = self.seen(part, view, found)
        values = self.per_label(seen)
        voxel_mm3 = float(np.prod(part.geometry.spacing_mm))
        return CaseScore(
            value=float(np.mean(list(values.values()))) if values else 1.0,
            labels=values,
            expected_dice=_expected(seen, self.labels),
            slices=_doubtful_first(seen, view),
            found_mm3=float(np.count_nonzero(found.array)) * voxel_mm3,
            looks=tuple(float(v) for v in unit(np.mean(looks, axis=0))),
            pull=tuple(float(v) for v in _mean_pull(seen)),
        )

    def seen(self, part: Volume, view: CanonicalView, found: Mask) -> list[Seen]:
        """Every automatic label on every slice, looked at again."""
        looked = []
        expected = self._expected(part, view.axis)
        off = self._sizes_off(found)
        for number in range(len(view.slices)):
            here = part.view(view.axis, number)
            shown = here.extract(found.array)
            for value in range(1, len(self.labels) + 1):
                mask = np.asarray(shown == value)
                if mask.sum() >= FEWEST_PIXELS:
                    overlap = overlap_of(mask, expected[number][value - 1]) if expected else None
                    looked.append(self._looked(part, here, (value, number), mask, (overlap, off.get(value))))
        return looked

    def _expected(self, part: Volume, axis: int) -> list[Float32Array]:
        """Where accepted cases expect each label (labels, H, W), per slice; nothing where there is no such case."""
        try:
            slices = range(part.geometry.shape[axis])
            search = LabelSearch(self.predictor, part, axis, slices, self.labels, job=self.job, memo=self.memo)
            maps, frames = coarse_maps(search, self.cases)
        except PromptError:
            return []
        views = [part.view(axis, n) for n in range(part.geometry.shape[axis])]
        return [
            np.stack([frame.paste(one, (view.height, view.width), 0.0) for one in upscale_logits(found, frame)])
            for found, frame, view in zip(maps, frames, views, strict=True)
        ]

    def _sizes_off(self, found: Mask) -> dict[int, float]:
        """How many standard deviations each label's size (log mm^3) is from accepted ones."""
        off = {}
        for value in range(1, len(self.labels) + 1):
            sizes = [size for case in self.cases if (size := _log_mm3(case.labels, value)) is not None]
            mine = _log_mm3(found, value)
            if len(sizes) >= LEAST_SIZES and mine is not None:
                off[value] = abs(mine - float(np.mean(sizes))) / max(float(np.std(sizes)), LEAST_SPREAD)
        return off

    def _looked(
        self,
        part: Volume,
        here: SliceView,
        which: tuple[int, int],
        mask: BoolArray,
        told: tuple[float | None, float | None],
    ) -> Seen:
        value, number = which
        window = choose_window(part, target=None if part.is_colour else float(np.median(part.pixels(here)[mask])))
        kinds = self.settings.kinds or KINDS.get(self.settings.method, USUAL)
        again = Probe(self.predictor, part, window, kinds, self.settings.earlier, self.settings.calibration)
        asked = self.job.slice(lambda: again.at(here, mask, self.labels[value - 1]))
        evidence = replace(asked, overlap=told[0], size_off=told[1])
        features = self.predictor.features(part, here, window, again.frame(here, mask))
        doubt = MEASURES[self.settings.method](evidence)
        area = float(evidence.region.sum()) * evidence.pixel_mm**2
        return Seen(value, number, doubt.value, area, expected_dice(evidence), pull_of(features, evidence), evidence)

    def _looks(self, part: Volume, here: SliceView, found: Mask) -> Float64Array:
        """The slice's place among all slices."""
        shown = here.extract(found.array)
        window = choose_window(part)
        frame = self.predictor.backbone.frame(whole(here.height, here.width), here.pixel_mm)
        features = self.job.slice(lambda: self.predictor.features(part, here, window, frame))
        size = self.predictor.backbone.input_size
        valid, drawn = np.zeros((2, size, size))
        valid[: frame.input_height, : frame.input_width] = 1.0
        rows = (np.arange(frame.input_height) * here.height / frame.input_height).astype(int)
        cols = (np.arange(frame.input_width) * here.width / frame.input_width).astype(int)
        drawn[: frame.input_height, : frame.input_width] = shown[rows[:, None], cols] > 0
        return looks_of(features, drawn, valid)

    def per_label(self, seen: Sequence[Seen]) -> dict[str, float]:
        """Mean doubt per label, weighed by area; what is missing counts as much as accepted cases have it."""
        values = {}
        for value, name in enumerate(self.labels, 1):
            here = [one for one in seen if one.label == value]
            if here:
                values[name] = float(np.average([one.value for one in here], weights=[one.weight for one in here]))
                continue
            share = _share([bool((case.labels.array == value).any()) for case in self.cases])
            if share:
                values[name] = share
        return values


def overlap_of(mask: BoolArray, expected: Float32Array) -> float:
    """Overlap of a mask (H, W) with a coarse map of about 0 and 1."""
    shown = np.clip(expected, 0.0, 1.0)
    total = float(shown.sum() + mask.sum())
    return 2.0 * float(shown[mask].sum()) / total if total else 1.0


def _log_mm3(mask: Mask, value: int) -> float | None:
    """The logarithm of a label's volume; None where it is not."""
    count = int((mask.array == value).sum())
    return float(np.log(count * np.prod(mask.geometry.spacing_mm))) if count else None


def _share(present: Sequence[bool]) -> float:
    return sum(present) / len(present) if present else 0.0


def _expected(seen: Sequence[Seen], labels: Sequence[str]) -> dict[str, float]:
    found = {}
    for value, name in enumerate(labels, 1):
        here = [one for one in seen if one.label == value]
        if here:
            found[name] = float(np.average([one.expected for one in here], weights=[one.weight for one in here]))
    return found


def _doubtful_first(seen: Sequence[Seen], view: CanonicalView) -> tuple[int, ...]:
    worst: dict[int, float] = {}
    for one in seen:
        worst[one.number] = max(worst.get(one.number, 0.0), one.value)
    return tuple(view.slices[n] for n in sorted(worst, key=lambda n: (-worst[n], n)))


def _mean_pull(seen: Sequence[Seen]) -> Float64Array:
    if not seen:
        return np.zeros(0)
    return np.average([one.pull for one in seen], axis=0, weights=[one.weight for one in seen])
