"""One training of the few-shot bench, and its evaluation afterwards."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from itertools import count
from pathlib import Path
from typing import Any

from torch import Tensor

from sam_infer.adapters.adapter import Adapter, Provenance
from sam_infer.imaging.volume import Volume
from sam_infer.models.current import with_adapter
from sam_infer.models.load import BaseNetwork, load_network
from sam_infer.slices.embedding_cache import EmbeddingCache
from sam_infer.slices.predictor import Predictor
from sam_trainer.bench.learning.arms import ARMS, NONE, SAMED, UNET, Arm
from sam_trainer.bench.learning.few_cases_plan import Plan, Training
from sam_trainer.bench.learning.samed import SamedNamer
from sam_trainer.bench.learning.unet import UNetNamer
from sam_trainer.config import TrainConfig
from sam_trainer.judging.gate import SemanticScore
from sam_trainer.judging.semantic_score import score_case, semantic_scores
from sam_trainer.labels.cases import Case, Target, case_tags, labelled_image, targets_of
from sam_trainer.lessons.batches import LessonBatches
from sam_trainer.lessons.lesson import lessons_of
from sam_trainer.lessons.semantic_batches import SemanticBatches
from sam_trainer.lessons.semantic_lesson import semantic_lessons
from sam_trainer.lessons.taught_tags import NONE_TAUGHT, TaughtTags
from sam_trainer.measures.overlap import dice
from sam_trainer.methods.trainable import trainable
from sam_trainer.simulation.prompt_styles import drawn
from sam_trainer.simulation.session import session
from sam_trainer.training.fit import Fit, Teacher
from sam_trainer.training.progress import Progress
from sam_trainer.training.semantic import SemanticTraining

# Of a number that is kept.
FLOAT_BYTES = 4

# Answers that are measured: after so many clicks, and to a box.
AFTER = (1, 3, 5)
MEASURES = (*(f"dice_{n}click" for n in AFTER), "dice_box")


@dataclass(frozen=True)
class Mark:
    """How well one object was segmented."""

    case: str
    label: str
    values: dict[str, float]  # by MEASURES


@dataclass(frozen=True)
class Taught:
    """What came of a training, and what it cost."""

    adapter: Adapter | None = None  # None: nothing was trained, or something else than an adapter
    parameters: int = 0  # of the network, that train
    head_parameters: int = 0  # of what names labels
    megabytes: float = 0.0  # that are kept of what was trained
    steps: int = 0
    seconds: float = 0.0  # of one core, from the first step to the last


def answered(job: tuple[str, Plan, Training]) -> dict[str, Any]:
    """Train, ask, and say what came out, as JSON knows it."""
    model, plan, training = job
    base, exam = network_of(model), _Exam(training)
    if training.method == NONE:
        return exam.told(Taught(), ask(base, None, exam.targets()), [])
    arm = ARMS[training.method]
    config = arm.config(plan.budget, training.seed, plan.precision)
    if arm.method is None:
        namer, taught = _namers()[training.method](base, config, training.teaching)
        return exam.told(taught, [], name_by(namer, training.asked))
    taught = teach(base, config, training.teaching, arm)
    names = name(base, taught.adapter, training.asked) if taught.adapter is not None and arm.names_labels else []
    return exam.told(taught, ask(base, taught.adapter, exam.targets()), names)


def teach(base: BaseNetwork, config: TrainConfig, cases: Sequence[Case], arm: Arm) -> Taught:
    """Train on cases as a round does, to the end: there is no case left to choose an epoch by."""
    lessons = [lesson for case in cases for lesson in lessons_of(case, depth=config.depth)]
    cache = None if config.trains_encoder else EmbeddingCache()
    labels, head = labels_of(cases), None
    taught = TaughtTags.of(config.facet, lessons, config.tags) if config.facet else NONE_TAUGHT
    if arm.names_labels:
        head = SemanticTraining(labels, _slices(base, cases, config.depth, taught), config.seed, arm.tapped)
    return fitted(base, config, LessonBatches(lessons, base.backbone(), cache, taught), head, labels)


def fitted(
    base: BaseNetwork, config: TrainConfig, batches: LessonBatches, head: SemanticTraining | None, labels: Sequence[str]
) -> Taught:
    """What comes of a training on batches, and of a head beside it if there is one."""
    epochs = count(1)
    teacher = Teacher(batches, lambda _: float(next(epochs)), head)
    with tempfile.TemporaryDirectory(prefix="samlabel-bench-") as folder:
        fit, started = Fit(trainable(base), config, teacher, Path(folder)), time.process_time()
        best = fit.run(Progress(None, config.epochs), lambda: False)
        seconds = time.process_time() - started
    where = Provenance(base.name, base.fingerprint.weights, config.method, {}, config.seed, tuple(labels), ())
    numbers = head.numbers if head is not None else 0
    adapter = Adapter(best.tensors, where)
    return Taught(adapter, fit.parameters, numbers, megabytes_of(best.tensors), config.steps, seconds)


def megabytes_of(tensors: Mapping[str, Tensor]) -> float:
    """What tensors take on a disk."""
    return round(sum(tensor.numel() * tensor.element_size() for tensor in tensors.values()) / 1e6, 3)


def teach_unet(base: BaseNetwork, config: TrainConfig, cases: Sequence[Case]) -> tuple[UNetNamer, Taught]:
    """The U-Net on the same slices, for what the same seconds pay for."""
    namer = UNetNamer(labels_of(cases), base.backbone(), _slices(base, cases), config.seed)
    started = time.process_time()
    namer.train(config)
    seconds, numbers = time.process_time() - started, namer.training.numbers
    return namer, Taught(None, 0, numbers, round(numbers * FLOAT_BYTES / 1e6, 3), config.steps, seconds)


def teach_samed(base: BaseNetwork, config: TrainConfig, cases: Sequence[Case]) -> tuple[SamedNamer, Taught]:
    """SAMed's way on the same slices, for what the same seconds pay for."""
    namer, slices = SamedNamer(base, labels_of(cases), config.seed), _slices(base, cases)
    started = time.process_time()
    namer.train(slices, config)
    seconds = time.process_time() - started
    megabytes = (namer.parameters + namer.head_parameters) * FLOAT_BYTES / 1e6
    return namer, Taught(None, namer.parameters, namer.head_parameters, round(megabytes, 3), config.steps, seconds)


def labels_of(cases: Sequence[Case]) -> list[str]:
    """Every label of cases, in alphabetical order."""
    return sorted({name for case in cases for name in case.labels.values()})


def ask(base: BaseNetwork, adapter: Adapter | None, targets: Sequence[Target]) -> list[Mark]:
    """Clicks and a box for every object."""
    found, predictor = [], asked(base, adapter)
    for case in {target.case.name: target.case for target in targets}.values():
        volume, _ = labelled_image(case)
        own = replace(predictor.about(partial(case_tags, case, volume)), cache=EmbeddingCache())
        found += [_mark(own, volume, target) for target in targets if target.case.name == case.name]
    return found


def asked(base: BaseNetwork, adapter: Adapter | None) -> Predictor:
    """What a server would ask; `about` makes it that of an image's tags."""
    if adapter is None:
        return Predictor(base.backbone(), EmbeddingCache())
    return with_adapter(adapter, EmbeddingCache(), base.backbone)


def name(base: BaseNetwork, adapter: Adapter, cases: Sequence[Case]) -> list[SemanticScore]:
    """What the adapter's semantic head finds by itself."""
    return semantic_scores(asked(base, adapter), cases)


def name_by(namer: UNetNamer | SamedNamer, cases: Sequence[Case]) -> list[SemanticScore]:
    """What another network finds."""
    return [score for case in cases for score in score_case(case, namer.labels, namer)]


def chosen_targets(cases: Sequence[Case], each: int, wanted: Callable[[Target], bool]) -> list[Target]:
    """At most `each` objects per case, spread over its labels and slices, others in every case."""
    found = []
    for number, case in enumerate(cases):
        targets = [target for target in targets_of(case) if wanted(target)]
        step = max(1.0, len(targets) / each)
        picks = {int(n * step + number) % len(targets) for n in range(min(each, len(targets)))}
        found += [targets[pick] for pick in sorted(picks)]
    return found


@dataclass(frozen=True)
class _Exam:
    """What is asked after a training."""

    training: Training

    def wanted(self, label: str) -> bool:
        return self.training.labels is None or label in self.training.labels

    def targets(self) -> list[Target]:
        return chosen_targets(self.training.asked, self.training.objects, lambda target: self.wanted(target.label))

    def told(self, taught: Taught, marks: Sequence[Mark], names: Sequence[SemanticScore]) -> dict[str, Any]:
        cost = {key: value for key, value in vars(taught).items() if key != "adapter"}
        return {**cost, "marks": [vars(m) for m in marks], "names": [vars(n) for n in names if self.wanted(n.label)]}


Namer = Callable[[BaseNetwork, TrainConfig, Sequence[Case]], tuple[UNetNamer | SamedNamer, Taught]]


def _namers() -> dict[str, Namer]:
    return {UNET: teach_unet, SAMED: teach_samed}


@lru_cache(maxsize=1)
def network_of(model: str) -> BaseNetwork:
    """The network called `model`: a worker trains many times from the same weights."""
    return load_network(model)


def _slices(
    base: BaseNetwork, cases: Sequence[Case], depth: int = 1, taught: TaughtTags = NONE_TAUGHT
) -> SemanticBatches:
    backbone, labels = base.backbone(), labels_of(cases)
    lessons = [lesson for case in cases for lesson in semantic_lessons(case, labels, depth=depth)]
    return SemanticBatches(lessons, backbone, taught=taught)


def _mark(predictor: Predictor, volume: Volume, target: Target) -> Mark:
    index = target.view.index
    answers = session(
        target.mask, lambda said: predictor.predict(volume, said.on(target.view), index).pixels, max(AFTER)
    )
    boxed = predictor.predict(volume, drawn(target.mask, "S5").on(target.view), index).pixels
    values = [dice(answers[n - 1], target.mask) for n in AFTER] + [dice(boxed, target.mask)]
    return Mark(target.case.name, target.label, dict(zip(MEASURES, values, strict=True)))
