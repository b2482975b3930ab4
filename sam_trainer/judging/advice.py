"""Advice judged: what accepted objects say about the warnings of a network, and about the places it would have clicked.

Each object is asked for twice, by a box that is drawn a little off and by one point inside, as readers begin. An answer
is bad when its Dice is below 0.8.
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from sam_infer.arrays import BoolArray, Float64Array
from sam_infer.errors import SamError
from sam_infer.files import file_sha256
from sam_infer.imaging.volume import Volume
from sam_infer.slices.predictor import Options, Predictor
from sam_infer.uncertainty.advice import Advisor
from sam_infer.uncertainty.warning_skill import (
    GOOD_DICE,
    Risk,
    WarningSkill,
    auroc,
    interval,
    threshold_of,
    unseen_risk,
)
from sam_trainer.labels.cases import Case, Target, labelled_image, spread, targets_of
from sam_trainer.measures.overlap import dice
from sam_trainer.simulation.prompt_styles import Drawn, inner_half, jittered_box, random_points, tight_box

BOX, CLICK = "box", "click"

# How far off a reader's box is, as a share of its sides.
CARELESS = 0.1

# So many objects of the newest cases say what more would say.
MOST_CASES, MOST_OBJECTS = 40, 4


@dataclass(frozen=True, eq=False)
class AdvisedAnswer:
    """One answer, its signs, and how good it was."""

    case: str
    style: str
    dice: float
    signs: Float64Array

    @property
    def bad(self) -> bool:
        """Whether a reader would want to hear about it."""
        return self.dice < GOOD_DICE


def begun(mask: BoolArray, style: str, rng: np.random.Generator) -> Drawn:
    """How a reader begins with an object (H, W)."""
    none = np.zeros((0, 2), np.int64)
    if style == BOX:
        shape = (mask.shape[0], mask.shape[1])
        return Drawn(none, none, jittered_box(tight_box(mask), "edges", CARELESS, shape, rng))
    return Drawn(random_points(inner_half(mask), 1, rng), none)


def asked(predictor: Predictor, volume: Volume, target: Target, style: str, seed: int = 0) -> Advisor:
    """A first answer about an object, to be advised on."""
    rng = np.random.default_rng([seed, zlib.crc32(f"{target.key} {style}".encode())])
    prompts = begun(target.mask, style, rng).on(target.view)
    answer = predictor.predict(volume, prompts, target.view.index, Options(label=target.label))
    return Advisor(predictor, volume, prompts, answer, target.label)


def judged(advisor: Advisor, target: Target, style: str) -> AdvisedAnswer:
    """What became of it."""
    case = f"{target.case.source}/{target.case.name}"
    return AdvisedAnswer(case, style, dice(advisor.answer.pixels, target.mask), advisor.signs)


def worth(found: Sequence[AdvisedAnswer], network: str, labels: str, seed: int = 0) -> WarningSkill | None:
    """What the warnings are worth; None where nothing was asked."""
    if not found:
        return None
    signs, bad = np.stack([one.signs for one in found]), np.array([one.bad for one in found])
    cases, begun_by = [one.case for one in found], [one.style for one in found]
    risk = unseen_risk(signs, bad, cases)
    low, high = interval(risk, bad, cases, begun_by, seed)
    level, skill = threshold_of(risk, bad), auroc(risk, bad, begun_by)
    return WarningSkill(
        network,
        labels,
        Risk.fitted(signs, bad),
        threshold=round(level, 4),
        auroc=round(skill, 4),
        low=round(low, 4),
        high=round(high, 4),
        answers=len(found),
        bad=int(bad.sum()),
    )


def judge(predictor: Predictor, cases: Iterable[Case], should_stop: Callable[[], bool]) -> WarningSkill | None:
    """The warnings of a network on accepted cases; None where it was stopped, or nothing could be asked."""
    chosen = spread(sorted(cases, key=lambda case: case.name), MOST_CASES)
    found: list[AdvisedAnswer] = []
    for case in chosen:
        for advisor, target, style in _advisors(predictor, case):
            if should_stop():
                return None
            found.append(judged(advisor, target, style))
    return worth(found, network_of(predictor), labels_of(cases))


def network_of(predictor: Predictor) -> str:
    """What the worth of warnings is kept under."""
    return predictor.known_as


def labels_of(cases: Iterable[Case]) -> str:
    """Changes with the accepted labels."""
    said = sorted(f"{case.name} {file_sha256(case.label)}" for case in cases)
    return hashlib.blake2b("\n".join(said).encode(), digest_size=8).hexdigest()


def _advisors(predictor: Predictor, case: Case) -> Iterator[tuple[Advisor, Target, str]]:
    try:
        volume, _ = labelled_image(case)
        targets = spread(targets_of(case), MOST_OBJECTS)
    except SamError:
        return  # of other images something can be said
    for target in targets:
        for style in (BOX, CLICK):
            yield asked(predictor, volume, target, style), target, style
