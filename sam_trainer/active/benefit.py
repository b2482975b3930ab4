"""Measured benefit of active learning: networks taught by chosen cases against as many randomly drawn ones.

Cases that a strategy chose are harder than others, so clicks on them say nothing about their worth. What counts is
what a network learns from them: as many cases of the active and of the control arm each teach one, both answer the
same simulated reader on cases of patients that taught neither, and the clicks saved per case are paired by case. The
draw is repeated, since a handful of cases is a matter of luck, and the interval holds both: cases drawn, cases asked.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from sam_infer.adapters.store import AdapterStore
from sam_infer.arrays import Float64Array
from sam_infer.files import write_whole
from sam_infer.models.current import with_adapter
from sam_infer.models.load import BaseNetwork
from sam_infer.slices.embedding_cache import EmbeddingCache
from sam_infer.slices.predictor import Predictor
from sam_trainer.active.served import ACTIVE, CONTROL, now
from sam_trainer.config import TrainConfig
from sam_trainer.judging.policy import GatePolicy
from sam_trainer.labels.round import HELD_OUT, TRAIN, VALIDATION, AcceptedLabel, part_of
from sam_trainer.measures.paired import GAIN, Difference, crossed
from sam_trainer.simulation.reader import SimulatedReader
from sam_trainer.training.run_round import TrainingRound

FILE = "worth.json"

# Fewer say nothing with any confidence.
LEAST_CASES, LEAST_HELD_OUT = 3, 3

# A draw takes this share of the smaller arm, so that draws differ: which cases they hold is the larger part of luck.
DRAWS, SUBSET = 5, 2 / 3

NOT_YET = "not yet known"


@dataclass(frozen=True)
class Benefit:
    """Clicks that a case of the control arm's network needs more than one of the active arm's, paired by case."""

    verdict: str = NOT_YET  # gain, no gain, loss
    sentence: str = "nothing was measured yet: `samlabel loop measure`"
    clicks: float | None = None
    low: float | None = None
    high: float | None = None
    cases: int = 0  # per arm
    held_out: int = 0
    when: str = ""

    @property
    def falls_back(self) -> bool:
        """Whether foreground-aware random should stand in for active learning."""
        return self.verdict not in (NOT_YET, GAIN)

    def write(self, folder: Path) -> None:
        """Keep it; appears whole."""
        write_whole(folder / FILE, json.dumps(asdict(self), indent=1) + "\n")

    @classmethod
    def read(cls, folder: Path) -> Benefit:
        """What was measured last; not yet known where nothing was, or it is damaged."""
        try:
            return cls(**json.loads((folder / FILE).read_text()))
        except (OSError, ValueError, TypeError):
            return cls()


@dataclass(frozen=True, eq=False)
class Comparison:
    """How the arms are compared."""

    base: BaseNetwork
    train: TrainConfig
    home: Path  # where embeddings are shared with the server
    draws: int = DRAWS
    seed: int = 0
    should_stop: Callable[[], bool] = lambda: False

    def measure(self, accepted: Sequence[AcceptedLabel], arms: Mapping[str, str]) -> Benefit:
        """The worth of the active arm, or why it cannot be told."""
        parts = {entry.case.name: part_of(entry.patient or entry.case.name) for entry in accepted}
        teaching = [entry for entry in accepted if parts[entry.case.name] == TRAIN]
        active, control = (
            [entry for entry in teaching if arms.get(entry.case.name) == arm] for arm in (ACTIVE, CONTROL)
        )
        judges = [entry for entry in accepted if parts[entry.case.name] == HELD_OUT]
        watched = [entry for entry in accepted if parts[entry.case.name] == VALIDATION]
        smaller = min(len(active), len(control))
        count = min(smaller, max(LEAST_CASES, round(SUBSET * smaller)))
        if count < LEAST_CASES or len(judges) < LEAST_HELD_OUT:
            return Benefit(
                cases=count,
                held_out=len(judges),
                when=now(),
                sentence=(
                    f"not yet known: {len(active)} chosen and {len(control)} drawn cases that teach, {len(judges)} "
                    f"that judge; at least {LEAST_CASES}, {LEAST_CASES} and {LEAST_HELD_OUT} are needed"
                ),
            )
        found = self._clicks_saved(active, control, judges, watched, count)
        told = f"{found.sentence} clicks per case, of networks taught by {count} chosen or {count} drawn cases"
        return Benefit(
            found.verdict,
            told,
            round(found.mean, 4),
            round(found.low, 4),
            round(found.high, 4),
            count,
            len(judges),
            now(),
        )

    def _clicks_saved(
        self,
        active: list[AcceptedLabel],
        control: list[AcceptedLabel],
        judges: list[AcceptedLabel],
        watched: list[AcceptedLabel],
        count: int,
    ) -> Difference:
        rng = np.random.default_rng((self.seed, 11))
        saved = np.zeros((self.draws, len(judges)))
        for draw in range(self.draws):
            arms = [[arm[n] for n in sorted(rng.permutation(len(arm))[:count])] for arm in (active, control)]
            mine, other = (self._clicks([*taught, *watched], judges, draw) for taught in arms)
            saved[draw] = other - mine
        return crossed(saved)

    def _clicks(self, taught: list[AcceptedLabel], judges: list[AcceptedLabel], draw: int) -> Float64Array:
        """Clicks (judges,) that a reader needs with a network taught by these cases."""
        with tempfile.TemporaryDirectory(prefix="samlabel-worth-") as folder:
            home = Path(folder)
            if not self.train.trains_encoder:
                (self.home / "embeddings").mkdir(parents=True, exist_ok=True)
                (home / "embeddings").symlink_to((self.home / "embeddings").resolve(), target_is_directory=True)
            config = replace(self.train, seed=self.seed + draw)
            learned = TrainingRound(config, GatePolicy(promote=False), home).run(taught, self.should_stop)
            adapter = AdapterStore(config.model, home).get(learned.adapter) if learned.adapter else None
            cache, build = EmbeddingCache(256 << 20, home / "embeddings"), self.base.backbone
            predictor = Predictor(build(None), cache) if adapter is None else with_adapter(adapter, cache, build)
            efforts = [SimulatedReader().label(predictor, entry.case, largest_only=True) for entry in judges]
        return np.array([effort.clicks for effort in efforts], np.float64)
