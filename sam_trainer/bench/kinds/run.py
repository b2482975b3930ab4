"""Proofs as rows and as a page: every kind beside `lora` on the cohort that is made for it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from sam_infer.arrays import Float64Array
from sam_trainer.bench.kinds.one_proof import ProofTraining, proved
from sam_trainer.bench.kinds.proofs import BY_KIND, PROOFS, Proof
from sam_trainer.bench.learning.arms import LORA, NONE
from sam_trainer.bench.learning.few_cases_plan import HELD_OUT_SEED, Plan
from sam_trainer.bench.learning.side_by_side import side_by_side
from sam_trainer.bench.runs import Outcome
from sam_trainer.errors import TrainingError
from sam_trainer.measures.paired import GAIN, NO_GAIN, crossed
from sam_trainer.reports.journal import Journal
from sam_trainer.reports.page import Page
from sam_trainer.reports.table import Row
from sam_trainer.synthetic.cohorts.cohort import cases_of

SOURCE = "proofs"

COST = ("parameters", "megabytes", "steps", "seconds")
DONE = ("cohort", "method", "seed", "measure", "dice", "n", *COST)
CONTROL = ("misled", "over_misled", "over_misled_low", "over_misled_high")
VERDICTS = (
    "method",
    "cohort",
    "over",
    "measure",
    "seeds",
    "held_out",
    "gain",
    "ci_low",
    "ci_high",
    "verdict",
    *CONTROL,
    *COST,
)

DIGITS = 4


@dataclass(frozen=True)
class Proved:
    """What came of a training."""

    training: ProofTraining
    told: Mapping[str, Any]

    @property
    def by_case(self) -> Float64Array:
        """What was measured, a mean for each case that was asked."""
        return self._means("found")

    @property
    def misled(self) -> Float64Array | None:
        """The same of a network that was told another tag, or saw no slice beside; None where neither matters."""
        return self._means("control") if "control" in self.told else None

    def _means(self, what: str) -> Float64Array:
        return np.array([np.mean(self.told[what][case.name]) for case in self.training.asked])

    def row(self) -> Row:
        """The mean over cases, and the cost."""
        one = self.training
        dice = round(float(self.by_case.mean()), DIGITS)
        about = {"cohort": one.cohort, "method": one.method, "seed": one.seed, "measure": one.measure}
        return {"source": SOURCE, **about, "dice": dice, "n": len(self.by_case), **{c: self.told[c] for c in COST}}


def proofs_of(plan: Plan, folder: Path) -> list[ProofTraining]:
    """The trainings of the proofs of a plan's methods; seed by seed, so that all have some soon."""
    wanted = [proof for proof in PROOFS if proof.kind in plan.methods]
    if not wanted:
        raise TrainingError(f"proofs are of {', '.join(BY_KIND)}, got {', '.join(plan.methods)}", "methods")
    first = {proof.cohort: proof for proof in reversed(wanted)}.values()
    found = [_training(plan, folder, proof, NONE, 0) for proof in first]
    for seed in range(plan.seeds):
        found += [_training(plan, folder, proof, LORA, seed) for proof in first]
        found += [_training(plan, folder, proof, proof.kind, seed) for proof in wanted]
    return found


def run_proofs(
    model: str, plan: Plan, trainings: Sequence[ProofTraining], journal: Journal, keep: Callable[[Outcome], None]
) -> Outcome:
    """Do every training that the journal does not know; `keep` gets what there is after each."""
    named = {training.key: training for training in trainings}

    def so_far() -> Outcome:
        return outcome(
            model, [Proved(one, journal.unit(key, dict)) for key, one in named.items() if journal.knows(key)]
        )

    jobs = {key: (model, plan, training) for key, training in named.items()}
    side_by_side(jobs, proved, plan.workers, journal, lambda _: keep(so_far()))
    return so_far()


def outcome(model: str, found: Sequence[Proved]) -> Outcome:
    """A verdict for every kind, then every training."""
    verdicts, done = list(verdicts_of(found)), [one.row() for one in found]
    page = Page(f"Proofs of adapters: {model}")
    page.table(
        "Every kind against lora on the cohort made for it, 95 % intervals over seeds and cases", verdicts, VERDICTS
    )
    page.table("Trainings", done, DONE)
    return Outcome([*verdicts, *done], page)


def verdicts_of(found: Sequence[Proved]) -> Iterator[Row]:
    """For every kind its gain over `lora`, on the seeds that both have done; cases and seeds are both drawn."""
    by_method: dict[tuple[str, str], dict[int, Proved]] = defaultdict(dict)
    for one in found:
        by_method[one.training.cohort, one.training.method][one.training.seed] = one
    for proof in PROOFS:
        mine, rival = by_method[proof.cohort, proof.kind], by_method[proof.cohort, LORA]
        seeds = sorted(mine.keys() & rival.keys())
        if seeds:
            untaught = by_method[proof.cohort, NONE]
            yield _verdict(proof, [mine[n] for n in seeds], [rival[n] for n in seeds], list(untaught.values()))


def _verdict(proof: Proof, mine: Sequence[Proved], rival: Sequence[Proved], untaught: Sequence[Proved]) -> Row:
    values, others = (np.stack([one.by_case for one in some]) for some in (mine, rival))
    gain = crossed(values - others)
    told = mine[0].told
    return {
        "source": SOURCE,
        "cohort": proof.cohort,
        "method": proof.kind,
        "over": LORA,
        "measure": proof.measure,
        "idea": proof.idea,
        "seeds": len(mine),
        "held_out": gain.pairs,
        "dice": round(float(values.mean()), DIGITS),
        "lora": round(float(others.mean()), DIGITS),
        "untaught": round(float(np.mean([one.by_case.mean() for one in untaught])), DIGITS) if untaught else None,
        "gain": round(gain.mean, DIGITS),
        "ci_low": round(gain.low, DIGITS),
        "ci_high": round(gain.high, DIGITS),
        "verdict": GAIN if gain.low > 0 else NO_GAIN,
        **_over_control(mine, values),
        "parameters": told["parameters"],
        "megabytes": told["megabytes"],
        "steps": told["steps"],
        "seconds": round(float(np.mean([one.told["seconds"] for one in mine])), 1),
    }


def _over_control(mine: Sequence[Proved], values: Float64Array) -> Row:
    """What the tag, or the slices beside, are worth to a kind that goes by them."""
    misled = [one.misled for one in mine if one.misled is not None]
    if len(misled) < len(mine):
        return {}
    worth = crossed(values - np.stack(misled))
    rounded = [round(value, DIGITS) for value in (float(np.mean(misled)), worth.mean, worth.low, worth.high)]
    return dict(zip(CONTROL, rounded, strict=True))


def _training(plan: Plan, folder: Path, proof: Proof, method: str, seed: int) -> ProofTraining:
    asked = tuple(cases_of(proof.cohort, folder, min(plan.held_out, plan.limit or plan.held_out), HELD_OUT_SEED))
    untaught = ProofTraining(proof.cohort, proof.measure, NONE, 0, (), asked)
    if method == NONE:
        return untaught
    teaching = tuple(cases_of(proof.cohort, folder, max(plan.counts), seed))
    return replace(untaught, method=method, seed=seed, teaching=teaching)
