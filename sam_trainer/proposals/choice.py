"""Choice of a way per label from counted clicks, and where it is kept until labels or network change.

Few spots say little about one label, so those of all labels count a little for each: as much as `BORROWED` spots of its
own. The way with fewest clicks is chosen, the earlier one of equals. The best of many that were measured on few spots
looks better than it is, so what it saves over beginning from nothing counts as if `DOUBT` more spots had saved nothing;
where less than `LEAST_SAVED` is left of it, nothing is proposed.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from sam_infer.automatic.best import PREVIOUS, Chosen, Way
from sam_infer.automatic.example import AcceptedCase
from sam_infer.files import write_whole
from sam_infer.job import Job
from sam_infer.slices.predictor import Predictor
from sam_trainer.proposals.measuring import CANDIDATES, NOTHING, Counted, count

NONE_SAVES = "no mode saves clicks here, start with a click or a box"

BORROWED, DOUBT = 2.0, 2.0

# Clicks on a slice: a proposal that saves less is not worth a look at it.
LEAST_SAVED = 0.5


@dataclass(frozen=True)
class ModeChoice:
    """What was counted, by which network, on which accepted labels."""

    network: str
    labels: str
    counted: Sequence[Counted]

    def of(self, names: Sequence[str], without: str = "") -> dict[str, Chosen]:
        """How each label is looked for; empty where nothing was counted. `without` is the image that is asked about."""
        counted = [one for one in self.counted if one.case != without]
        ways = [way.name for way in CANDIDATES if all(way.name in one.clicks for one in counted)]
        if not counted or not ways:
            return {}
        chosen = {name: _one(name, counted, ways) for name in names}
        if not all(PREVIOUS.name in one.clicks for one in counted):
            return chosen
        beside = {name: _one(name, counted, [PREVIOUS.name, *ways]) for name in names}
        return {n: replace(one, beside=beside[n]) if beside[n].way == PREVIOUS else one for n, one in chosen.items()}

    def write(self, file: Path) -> None:
        """Keep it; appears whole or not at all."""
        file.parent.mkdir(parents=True, exist_ok=True)
        write_whole(file, json.dumps(asdict(self), indent=1))

    @classmethod
    def read(cls, file: Path) -> ModeChoice | None:
        """What is kept; None where nothing is, or nothing that can be read."""
        try:
            kept: dict[str, Any] = json.loads(file.read_text())
            return cls(kept["network"], kept["labels"], [Counted(**one) for one in kept["counted"]])
        except (OSError, ValueError, KeyError, TypeError):
            return None


def network_of(predictor: Predictor) -> str:
    """What a choice is of: another network leaves other clicks."""
    return f"{predictor.known_as} {predictor.adapter}"


def renewed(
    file: Path,
    labels: str,
    predictor: Predictor,
    names: Sequence[str],
    cases: Callable[[], Sequence[AcceptedCase]],
    job: Job | None = None,
) -> ModeChoice:
    """The choice that is kept, counted anew where accepted `labels` or the network are others by now."""
    kept, network = ModeChoice.read(file), network_of(predictor)
    if kept is not None and (kept.network, kept.labels) == (network, labels):
        return kept
    found = ModeChoice(network, labels, count(predictor, names, cases(), job=job))
    found.write(file)
    return found


def _one(name: str, counted: Sequence[Counted], ways: Sequence[str]) -> Chosen:
    own = [one for one in counted if one.label == name]
    means = {way: _mean(way, own, counted) for way in (*ways, NOTHING)}
    best = min(ways, key=lambda way: means[way])
    cases = len({one.case for one in counted})
    told = f"measured on {cases} accepted cases" if own else f"measured on other labels of {cases} accepted cases"
    if (means[NOTHING] - means[best]) * len(counted) / (len(counted) + DOUBT) < LEAST_SAVED:
        why = (
            f"{NONE_SAVES}: beginning with a click takes {means[NOTHING]:.1f} clicks, mending {best} {means[best]:.1f}"
        )
        return Chosen(None, f"{why} ({told})", means[NOTHING])
    why = f"leaves {means[best]:.1f} clicks on a slice, beginning with a click takes {means[NOTHING]:.1f} ({told})"
    return Chosen(Way.of(best), why, means[best])


def _mean(way: str, own: Sequence[Counted], counted: Sequence[Counted]) -> float:
    everywhere = float(np.mean([one.clicks[way] for one in counted]))
    return (sum(one.clicks[way] for one in own) + BORROWED * everywhere) / (len(own) + BORROWED)
