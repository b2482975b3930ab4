"""Which model each label is answered by: several networks answer the same simulated reader on accepted cases.

A model takes a label over, on images of one modality, where it saves clicks to a Dice of 0.85, by so much and on so
many cases that it is no chance. Where one of the networks was trained on accepted labels, only cases that never teach
are asked; see `labels/round.py`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from sam_infer.errors import SamError
from sam_infer.models.model_table import ModelChoice, ModelTable
from sam_infer.slices.predictor import NO_ADAPTER, Predictor
from sam_trainer.judging.gate import Score, examine
from sam_trainer.judging.policy import GatePolicy
from sam_trainer.labels.cases import Case, labelled_image
from sam_trainer.labels.round import HELD_OUT, AcceptedLabel, part_of
from sam_trainer.measures.paired import Difference, difference

# Clicks per object that a change must save: less is not worth getting used to another model.
LEAST_SAVED = 0.3

# Cases of the newest labels that are asked: more say the same, and take longer.
MOST_CASES = 40


@dataclass(frozen=True)
class Compared:
    """One model beside the one that answers a label on images of a modality."""

    label: str
    modality: str
    serves: str
    model: str
    saved: Difference  # clicks per object, by case
    chosen: bool = False

    @property
    def sentence(self) -> str:
        """For people."""
        found = self.saved
        return (
            f"{found.mean:+.1f} clicks per object ({found.low:+.1f} to {found.high:+.1f}) on {found.pairs} accepted "
            f"cases against {self.serves}"
        )


@dataclass(frozen=True)
class Competitor:
    """A model as it would serve, by what identifies it: no network is loaded to say that."""

    name: str
    adapter: str = NO_ADAPTER
    weights: str = ""  # where they may change under the same name


@dataclass(frozen=True)
class Competition:
    """Models that want to answer, the main one first, and what finds their networks.

    A network is loaded only where it is asked about a case: whether anything has changed is looked up often.
    """

    predictor: Callable[[str], Predictor]
    models: Sequence[Competitor]

    def fair(self, accepted: Sequence[AcceptedLabel]) -> list[Case]:
        """The cases that taught nobody."""
        taught = any(model.adapter != NO_ADAPTER for model in self.models)
        fair = [one for one in accepted if not taught or part_of(one.patient or one.case.name) == HELD_OUT]
        return [one.case for one in fair][-MOST_CASES:]

    def judged(self, cases: Sequence[Case]) -> str:
        """What a comparison of these models on these cases is known as."""
        networks = [f"{model.name} {model.adapter} {model.weights}" for model in self.models]
        labels = [f"{case.name} {case.label.stat().st_mtime_ns}" for case in cases]
        return hashlib.blake2b("\n".join([*networks, *labels]).encode(), digest_size=8).hexdigest()

    def scores(self, cases: Sequence[Case], policy: GatePolicy, pause: Callable[[], None]) -> dict[str, list[Score]]:
        """Every model's scores; one model after the other, so that no more than one need be in memory."""
        asked = policy.objects_per_case, pause, policy.clicks
        return {model.name: examine(self.predictor(model.name), cases, *asked) for model in self.models}


def readable(cases: Sequence[Case]) -> dict[str, str]:
    """The modality of the image of every case that can be asked, by name."""
    found = {}
    for case in cases:
        try:
            found[case.name] = labelled_image(case)[0].modality
        except SamError:
            continue  # said where labels are frozen for a training; other cases can be asked
    return found


def compared(
    scores: Mapping[str, Sequence[Score]], modalities: Mapping[str, str], table: ModelTable, main: str
) -> list[Compared]:
    """Every model beside the one that serves, by label and modality."""
    found = []
    asked = next(iter(scores.values()))
    for label, modality in sorted({(score.label, modalities[score.case]) for score in asked}):
        known = table.of(label, modality)
        serves = known.model if known is not None and known.model in scores else main
        clicks = {model: _clicks(scores[model], label, modality, modalities) for model in scores}
        for model in scores:
            if model != serves:
                saved = [clicks[serves][case] - clicks[model][case] for case in sorted(clicks[serves])]
                found.append(Compared(label, modality, serves, model, difference(saved)))
    return found


def chosen(rows: Sequence[Compared], table: ModelTable, policy: GatePolicy) -> tuple[ModelTable, list[Compared]]:
    """The table with every change that the figures carry, and the same rows, those marked that made one."""
    told = []
    for where in dict.fromkeys((row.label, row.modality) for row in rows):
        here = [row for row in rows if (row.label, row.modality) == where]
        able = [row for row in here if _takes_over(row, policy)]
        best = max(able, key=lambda row: row.saved.mean, default=None)
        told += [Compared(r.label, r.modality, r.serves, r.model, r.saved, r is best) for r in here]
        if best is not None and policy.promote:
            table = table.with_choice(ModelChoice(*where, best.model, best.sentence, now()))
    return table, told


def now() -> str:
    """The time, as files keep it."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def _takes_over(row: Compared, policy: GatePolicy) -> bool:
    found = row.saved
    return found.pairs >= policy.held_out_cases and found.mean >= LEAST_SAVED and found.low > 0


def _clicks(scores: Sequence[Score], label: str, modality: str, modalities: Mapping[str, str]) -> dict[str, float]:
    """Clicks per object, by case."""
    found: dict[str, list[int]] = {}
    for score in scores:
        if score.label == label and modalities[score.case] == modality and score.noc85 is not None:
            found.setdefault(score.case, []).append(score.noc85)
    return {case: sum(clicks) / len(clicks) for case, clicks in found.items()}
