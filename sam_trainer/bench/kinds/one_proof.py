"""One training of a proof, and what is answered after it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np

from sam_infer.adapters.adapter import Adapter
from sam_infer.arrays import UInt8Array
from sam_infer.models.load import BaseNetwork
from sam_infer.networks.backbone import Backbone, Features
from sam_infer.slices.embedding_cache import EmbeddingCache
from sam_infer.slices.predictor import Predictor
from sam_trainer.bench.kinds.measures import MEASURES, RULES, Rule
from sam_trainer.bench.kinds.proofs import ALONE
from sam_trainer.bench.learning.arms import NONE
from sam_trainer.bench.learning.few_cases_plan import Plan
from sam_trainer.bench.learning.one_training import Taught, chosen_targets, fitted, labels_of, network_of
from sam_trainer.config import STACKED, TAGGED, TrainConfig
from sam_trainer.labels.cases import Case, labelled_image
from sam_trainer.lessons.batches import LessonBatches
from sam_trainer.lessons.lesson import lessons_of
from sam_trainer.lessons.prompt_batch import Batch
from sam_trainer.methods.trainable import Trainable
from sam_trainer.synthetic.cohorts.cohort import tag_of

# Makes the network that is asked about images of a tag.
Network = Callable[[BaseNetwork, Adapter | None, str], Backbone]


def rightly(base: BaseNetwork, adapter: Adapter | None, tag: str) -> Backbone:
    """The network for images of a tag."""
    return base.backbone(adapter, tag)


@dataclass(frozen=True)
class ProofTraining:
    """One training on a cohort, or none, and the cases that are asked afterwards."""

    cohort: str
    measure: str
    method: str
    seed: int
    teaching: tuple[Case, ...]
    asked: tuple[Case, ...]

    @property
    def key(self) -> str:
        """What it is called while it is measured."""
        return f"{self.cohort}: {self.method}, seed {self.seed}"


class RuledBatches(LessonBatches):
    """Batches of cases of one tag, which the network is told, asked by a rule; every method gets the same ones."""

    def __init__(self, cases: Sequence[Case], depth: int, backbone: Backbone, cache: EmbeddingCache | None, rule: Rule):
        by_tag = {tag_of(case): [one for one in cases if tag_of(one) == tag_of(case)] for case in cases}
        lessons = {tag: [one for case in some for one in lessons_of(case, depth=depth)] for tag, some in by_tag.items()}
        super().__init__([one for some in lessons.values() for one in some], backbone, cache)
        self._tagged = [(tag, LessonBatches(some, backbone, cache)) for tag, some in lessons.items()]
        self._rule = rule

    def draw(
        self, network: Trainable, images: int, objects: int, rng: np.random.Generator
    ) -> tuple[Batch, Features | None]:
        """A batch, and its features if they are remembered."""
        network.told.tag, batches = self._tagged[int(rng.integers(len(self._tagged)))]
        batch, features = batches.draw(network, images, objects, rng)
        return self._rule(batch, rng), features


def proved(job: tuple[str, Plan, ProofTraining]) -> dict[str, Any]:
    """Train, ask, and say what came out, as JSON knows it."""
    model, plan, training = job
    base = network_of(model)
    if training.method == NONE:
        return _told(Taught(), answers(base, None, training, plan.objects))
    config = config_of(training, plan)
    taught = teach_alone(base, config, training)
    told = _told(taught, answers(base, taught.adapter, training, plan.objects))
    if training.method in (*TAGGED, *STACKED):
        told["control"] = answers(base, taught.adapter, training, plan.objects, misled(training))
    return told


def misled(training: ProofTraining) -> Network:
    """The control of a kind: who goes by a tag is told another one, who looks at slices beside sees none."""
    if training.method in TAGGED:
        tags = sorted(set(map(tag_of, training.teaching)))
        others = dict(zip(tags, tags[1:] + tags[:1], strict=True))
        return lambda base, adapter, tag: base.backbone(adapter, others[tag])
    return lambda base, adapter, tag: cast(Backbone, OwnSlice(base.backbone(adapter, tag)))


class OwnSlice:
    """A network that sees a slice in place of those beside it."""

    def __init__(self, backbone: Backbone) -> None:
        self._backbone = backbone

    def __getattr__(self, name: str) -> Any:
        return getattr(self._backbone, name)

    def encode(self, stack: UInt8Array) -> Features:
        """The features of the slice in the middle of a stack of itself."""
        middle = len(stack) // 2
        return self._backbone.encode(np.repeat(stack[middle : middle + 1], len(stack), axis=0))


def config_of(training: ProofTraining, plan: Plan) -> TrainConfig:
    """The training's configuration; kinds that learn something for a tag are told which there are."""
    config = ALONE[training.method].config(plan.budget, training.seed, plan.precision)
    tags = tuple(dict.fromkeys(filter(None, map(tag_of, training.teaching))))
    return replace(config, tags=tags) if training.method in TAGGED else config


def teach_alone(base: BaseNetwork, config: TrainConfig, training: ProofTraining) -> Taught:
    """Train a method with nothing beside it."""
    cache = None if config.trains_encoder else EmbeddingCache()
    batches = RuledBatches(training.teaching, config.depth, base.backbone(), cache, RULES[training.measure])
    return fitted(base, config, batches, None, labels_of(training.teaching))


def answers(
    base: BaseNetwork, adapter: Adapter | None, training: ProofTraining, objects: int, network: Network = rightly
) -> dict[str, list[float]]:
    """What is measured, by case; a network is asked about images of the tag that it is for, unless it is misled."""
    networks: dict[str, Backbone] = {}
    found: dict[str, list[float]] = {}
    targets = chosen_targets(training.asked, objects, lambda _: True)
    for case in training.asked:
        tag, (volume, _) = tag_of(case), labelled_image(case)
        if tag not in networks:
            networks[tag] = network(base, adapter, tag)
        predictor = Predictor(networks[tag], EmbeddingCache())
        mine = [target for target in targets if target.case.name == case.name]
        found[case.name] = [MEASURES[training.measure](predictor, volume, target) for target in mine]
    return found


def _told(taught: Taught, found: dict[str, list[float]]) -> dict[str, Any]:
    return {**{key: value for key, value in vars(taught).items() if key != "adapter"}, "found": found}
