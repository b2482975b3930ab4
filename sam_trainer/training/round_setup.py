"""Builds lessons, validation and predictors for one training round."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from torch import Tensor

from sam_infer.adapters.adapter import Adapter, Provenance
from sam_infer.models.current import with_adapter
from sam_infer.models.load import BaseNetwork
from sam_infer.networks.backbone import Backbone
from sam_infer.networks.naming.semantic_head import SEMANTIC
from sam_infer.networks.naming.unet import UNET, unet_part
from sam_infer.slices.embedding_cache import EmbeddingCache
from sam_infer.slices.predictor import Predictor
from sam_infer.weights.available import EMBEDDED
from sam_trainer.config import TrainConfig
from sam_trainer.errors import StoppedError, TrainingError
from sam_trainer.judging.gate import Score, SemanticScore, examine, overall
from sam_trainer.judging.naming import CALLED_OFF, UNCOMPARED, Naming, better_namer, unjudged
from sam_trainer.judging.policy import GatePolicy
from sam_trainer.judging.semantic_score import mean_dice, semantic_scores
from sam_trainer.labels.cases import Case
from sam_trainer.labels.round import HELD_OUT, TRAIN, VALIDATION, LabelRound
from sam_trainer.lessons.batches import LessonBatches
from sam_trainer.lessons.lesson import Lesson, lessons_of
from sam_trainer.lessons.semantic_batches import SemanticBatches
from sam_trainer.lessons.semantic_lesson import SemanticLesson, semantic_lessons
from sam_trainer.lessons.taught_tags import NONE_TAUGHT, TaughtTags
from sam_trainer.provenance import versions
from sam_trainer.training.fit import Fitted, Teacher
from sam_trainer.training.semantic import SemanticTraining
from sam_trainer.training.unet import Rival, UNetTraining

# Objects that an epoch's validation asks; the gate asks more.
VALIDATION_OBJECTS = 10

# Slices that it names labels on, for each of these objects.
VALIDATION_SLICES = 2

CACHE_BYTES = 512 << 20

# Settings that the provenance says by themselves, and the one of a contest, which says its own.
ELSEWHERE = ("model", "method", "seed", "minutes")

# Key of an adapter's metrics: the methods that it was chosen from, and how.
CONTEST = "auto"


@dataclass(frozen=True)
class Trained:
    """What a training came to, before it is judged."""

    setup: RoundSetup  # of the config that trained
    fitted: Fitted
    parameters: int  # of the network, that trained
    folder: Path  # of its epochs
    contest: Mapping[str, Any] | None = None  # that it won


@dataclass(frozen=True)
class Chosen:
    """What becomes an adapter: one network of two that name labels, where there were two."""

    tensors: dict[str, Tensor]
    naming: Naming | None = None
    scores: Sequence[SemanticScore] = ()  # of that network on the held-out cases, where they were compared on these


class RoundSetup:
    """Builds lessons, validation and predictors around the base network of one round."""

    def __init__(self, base: BaseNetwork, config: TrainConfig, home: Path, should_stop: Callable[[], bool]) -> None:
        self.base = base
        self.config = config
        self._home = home
        self.should_stop = should_stop
        self._taught = NONE_TAUGHT
        self._lessons: dict[int, list[Lesson]] = {}  # by the depth of their stacks
        self._named: dict[int, list[SemanticLesson]] = {}

    def beside(self, config: TrainConfig) -> RoundSetup:
        """The same for another config; labels of one round are read once for each depth."""
        other = RoundSetup(self.base, config, self._home, self.should_stop)
        other._lessons, other._named = self._lessons, self._named
        return other

    def require_fit(self, adapter: Adapter) -> None:
        """Refuse an adapter of another network."""
        adapter.require_base(self.base.name, self.base.fingerprint.weights)

    def teacher(self, found: LabelRound, told: Callable[[int, int], None] = lambda done, of: None) -> Teacher:
        """Lessons of the cases that teach, and a validation on others, or on the same if there are no others.

        After each case `told` hears how many are read; to read them can take as long as to train on them.
        """
        lessons, backbone, config = self.lessons(found, told), self.base.backbone(), self.config
        self._taught = TaughtTags.of(config.facet, lessons, config.tags) if config.facet else NONE_TAUGHT
        cache = None if config.trains_encoder else self._cache()
        watched = found.of(VALIDATION) or found.of(TRAIN)
        each = max(1, VALIDATION_OBJECTS // len(watched))

        def validate(tensors: dict[str, Tensor]) -> float:
            predictor = self._predictor(Adapter(tensors, self._provenance(found, {})))
            cases = watched[:VALIDATION_OBJECTS]
            clicked = overall(examine(predictor, cases, each, self._pause))
            named = semantic_scores(predictor, cases, each * VALIDATION_SLICES, self._pause)
            return (clicked + mean_dice(named)) / 2 if named else clicked

        batches = LessonBatches(lessons, backbone, cache, self._taught)
        if not self.config.semantic_images:
            return Teacher(batches, validate)

        def validate_rival(tensors: dict[str, Tensor]) -> float:
            predictor = self._predictor(Adapter(tensors, self._provenance(found, {})))
            return mean_dice(
                semantic_scores(predictor, watched[:VALIDATION_OBJECTS], each * VALIDATION_SLICES, self._pause)
            )

        head, unet = self._namers(found.of(TRAIN), lessons, backbone, told)
        return Teacher(batches, validate, head, None if unet is None else Rival(unet, validate_rival))

    def lessons(self, found: LabelRound, told: Callable[[int, int], None] = lambda done, of: None) -> Sequence[Lesson]:
        """What teaches the network itself; refused where that is nothing."""
        cases, depth, passes = found.of(TRAIN), self.config.depth, 2 if self.config.semantic_images else 1

        def read(case: Case) -> list[Lesson]:
            self._pause()
            told(cases.index(case), passes * len(cases))
            return lessons_of(case, depth=depth)

        if depth not in self._lessons:
            self._lessons[depth] = [lesson for case in cases for lesson in read(case)]
        if not self._lessons[depth]:
            raise TrainingError("no labelled object is large enough to learn from: at least 50 pixels on a slice")
        return self._lessons[depth]

    def _namers(
        self, cases: Sequence[Case], lessons: Sequence[Lesson], backbone: Backbone, told: Callable[[int, int], None]
    ) -> tuple[SemanticTraining, UNetTraining | None]:
        """The prompt-free head of every label that is large enough to be clicked on, and its rival."""
        labels = sorted({entry.label for lesson in lessons for entry in lesson.objects})
        depth = self.config.depth

        def read(number: int, case: Case) -> list[SemanticLesson]:
            self._pause()
            told(len(cases) + number, 2 * len(cases))
            return semantic_lessons(case, labels, depth=depth)

        if depth not in self._named:
            self._named[depth] = [lesson for n, case in enumerate(cases) for lesson in read(n, case)]
        teaching = self._named[depth]
        # a small encoder may as well see every slice moved and recoloured, even where it does not train
        cached = not self.config.trains_encoder and self.base.name != EMBEDDED
        batches = SemanticBatches(teaching, backbone, self._cache() if cached else None, self._taught)
        head = SemanticTraining(labels, batches, self.config.seed)
        if not self.config.unet_steps:
            return head, None
        return head, UNetTraining(labels, SemanticBatches(teaching, backbone), self.config.seed)

    def chosen(self, fitted: Fitted, found: LabelRound, policy: GatePolicy) -> Chosen:
        """The best version with one of both networks that can name its labels, the better one."""
        rival = unet_part(fitted.tensors)
        own = {name: value for name, value in fitted.tensors.items() if name not in rival}
        if not rival:
            return Chosen(own)
        part = HELD_OUT if found.of(HELD_OUT) else VALIDATION
        if fitted.stopped or not found.of(part):
            return Chosen(own, unjudged(CALLED_OFF if fitted.stopped else UNCOMPARED))
        versions = [Adapter(tensors, self._provenance(found, {})) for tensors in (own, rival)]
        try:
            head, unet = (semantic_scores(self._predictor(one), found.of(part), pause=self._pause) for one in versions)
        except StoppedError:
            return Chosen(own, unjudged(CALLED_OFF))
        naming = better_namer(head, unet, policy, part)
        if naming.by == UNET:
            own = {name: value for name, value in own.items() if not name.startswith(f"{SEMANTIC}/")} | rival
        scores = unet if naming.by == UNET else head
        return Chosen(own, naming, scores if part == HELD_OUT else ())

    def judged(
        self, adapter: Adapter | None, cases: Sequence[Case], policy: GatePolicy, named: Sequence[SemanticScore] = ()
    ) -> tuple[list[Score], Sequence[SemanticScore]]:
        """How a version of the network does on held-out cases, with clicks and, if it names labels, without.

        What it `named` already is not asked again.
        """
        predictor = self._predictor(adapter)
        clicked = examine(predictor, cases, policy.objects_per_case, self._pause, policy.clicks)
        return clicked, named or semantic_scores(predictor, cases, pause=self._pause)

    def _predictor(self, adapter: Adapter | None) -> Predictor:
        """A version of the network, asked as a server is."""
        if adapter is None:
            return Predictor(self.base.backbone(), self._cache())
        return with_adapter(adapter, self._cache(), self.base.backbone)

    def adapter(self, trained: Trained, chosen: Chosen, found: LabelRound) -> Adapter:
        """The best version with everything it came from."""
        standing = trained.fitted.standing
        metrics = {
            "validation_dice": round(standing.best, 5),
            "validated_on": VALIDATION if found.of(VALIDATION) else TRAIN,
            "best_epoch": standing.best_epoch,
            "epochs": standing.epoch,
            "skipped_steps": standing.skipped,
            "parameters": trained.parameters,
            **({} if trained.contest is None else {CONTEST: trained.contest}),
            **(chosen.naming.metrics if chosen.naming is not None else {}),
        }
        return Adapter(chosen.tensors, self._provenance(found, metrics))

    def _provenance(self, found: LabelRound, metrics: dict[str, object]) -> Provenance:
        config = replace(self.config, tags=self._taught.names or self.config.tags)
        settings = {key: value for key, value in plain(config).items() if key not in ELSEWHERE}
        return Provenance(
            model=self.config.model,
            base=self.base.fingerprint.weights,
            method=self.config.method,
            settings=settings,
            seed=self.config.seed,
            labels=found.labels,
            cases=tuple(entry.record for entry in found.cases),
            metrics=metrics,
            versions=versions(),
        )

    def _cache(self) -> EmbeddingCache:
        """Where embeddings go: to the server's store while the encoder is the server's, else nowhere for long."""
        folder = None if self.config.trains_encoder else self._home / "embeddings"
        return EmbeddingCache(CACHE_BYTES, folder)

    def _pause(self) -> None:
        if self.should_stop():
            raise StoppedError


def plain(config: TrainConfig) -> dict[str, object]:
    """A config as JSON gives it back."""
    plain: dict[str, object] = json.loads(json.dumps(asdict(config)))
    return plain
