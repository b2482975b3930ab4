"""Weaknesses of a model, computed from rows: where it is poor, and where a method without a network does better."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from sam_trainer.bench.card.sections import is_whole_source, listed, number
from sam_trainer.reports.table import ALL, MEAN, Row

# A source below this Dice for a box, or below this for ten clicks, is named as a failure; above, as a strength.
POOR_BOX, POOR_CLICKS, GOOD_BOX = 0.75, 0.75, 0.88
WORST_LABELS = 8

# What the model is asked with, and the methods without a network that were told the same.
RIVALS = {
    "S5": ("box", ("ellipse", "grabcut")),
    "S2": ("one point", ("region_growing_s2", "random_walker_s2")),
}
CLICK_COUNTS = (1, 3, 10)


@dataclass(frozen=True)
class Loss:
    """A source on which a method without a network drew the better masks."""

    source: str
    prompt: str
    dice: float
    rival: str
    rival_dice: float

    def __str__(self) -> str:
        rival = f"{self.rival.replace('_s2', '').replace('_', ' ')} {number(self.rival_dice)}"
        return f"{self.source} ({self.prompt} {number(self.dice)}, {rival})"


@dataclass(frozen=True)
class Weaknesses:
    """What the rows say against a model, and what for it."""

    losses: tuple[Loss, ...]
    poor_boxes: dict[str, float]
    poor_clicks: dict[str, float]
    worst_labels: dict[str, float]
    good_boxes: dict[str, float]

    @classmethod
    def of(cls, prompts: Sequence[Row], clicks: Sequence[Row], model: str) -> Weaknesses:
        """Read off the rows per source and label."""
        boxes = [
            r for r in prompts if r["strategy"] == "S5" and r["rule"] == "deployable" and r["source"] not in (MEAN, ALL)
        ]
        wholes = {r["source"]: r["dice"] for r in boxes if r["label"] == ALL}
        ten = [r for r in clicks if is_whole_source(r) and r["clicks"] == 10 and r["method"] == model]
        labels = sorted((r for r in boxes if r["label"] != ALL), key=lambda r: r["dice"])
        return cls(
            tuple(
                sorted([*_first_answers(prompts), *_corrections(clicks, model)], key=lambda x: x.dice - x.rival_dice)
            ),
            {source: dice for source, dice in wholes.items() if dice < POOR_BOX},
            {r["source"]: r["dice"] for r in ten if r["dice"] < POOR_CLICKS},
            {f"{r['label']} ({r['source']})": r["dice"] for r in labels[:WORST_LABELS]},
            dict(sorted(((s, d) for s, d in wholes.items() if d >= GOOD_BOX), key=lambda item: -item[1])),
        )

    def as_dict(self) -> dict[str, Any]:
        """For the card's JSON."""
        return asdict(self)

    def section(self) -> str:
        """For the card."""
        lines = [
            f"- Sources of at least {GOOD_BOX} for a box: {_figures(self.good_boxes)}",
            f"- Sources below {POOR_BOX} for a box: {_figures(self.poor_boxes)}",
            f"- Sources below {POOR_CLICKS} after ten clicks: {_figures(self.poor_clicks)}",
            f"- Labels with the lowest Dice for a box: {_figures(self.worst_labels)}",
        ]
        for prompt in dict.fromkeys(loss.prompt for loss in self.losses):
            some = [str(loss) for loss in self.losses if loss.prompt == prompt]
            lines.append(f"- A method without a network is better, {prompt}, the widest gap first: {listed(some)}")
        if not self.losses:
            lines.append("- No method without a network is better on any source.")
        return "\n".join(["## Good for, fails at", "", *lines])


def _first_answers(rows: Sequence[Row]) -> Iterator[Loss]:
    found: dict[str, dict[str, float]] = {}
    for row in rows:
        if is_whole_source(row) and row["rule"] == "deployable":
            found.setdefault(row["source"], {})[row["strategy"]] = row["dice"]
    for source, by in found.items():
        if source == ALL:
            continue
        for strategy, (prompt, rivals) in RIVALS.items():
            for rival in rivals:
                if rival in by and by[rival] > by[strategy]:
                    yield Loss(source, prompt, by[strategy], rival, by[rival])


def _corrections(rows: Sequence[Row], model: str) -> Iterator[Loss]:
    wholes = [row for row in rows if is_whole_source(row) and row["source"] != ALL]
    ours = {(row["source"], row["clicks"]): row["dice"] for row in wholes if row["method"] == model}
    for row in wholes:
        dice = ours.get((row["source"], row["clicks"]))
        if row["method"] != model and row["clicks"] in CLICK_COUNTS and dice is not None and row["dice"] > dice:
            prompt = "after one click" if row["clicks"] == 1 else f"after {row['clicks']} clicks"
            yield Loss(row["source"], prompt, dice, row["method"], row["dice"])


def _figures(named: dict[str, float]) -> str:
    return listed([f"{name} {number(dice)}" for name, dice in named.items()])
