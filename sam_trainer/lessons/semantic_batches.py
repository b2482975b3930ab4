"""Training batches of slices for the semantic head, with augmentation: moved and recoloured a little.

Nothing is mirrored: a left kidney in a mirror is still called left by its label, and is not one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import cv2
import numpy as np
import torch
from torch import Tensor

from sam_infer.arrays import UInt8Array
from sam_infer.automatic.taught.coarse_map import in_frame
from sam_infer.networks.backbone import Backbone
from sam_infer.networks.frame import Frame, resize_stack, whole
from sam_infer.networks.naming.semantic_head import PICTURE_SIDE, picture_of
from sam_infer.slices.embedding_cache import EmbeddingCache, EmbeddingKey
from sam_trainer.lessons.lesson import middle_of
from sam_trainer.lessons.semantic_lesson import SemanticLesson
from sam_trainer.lessons.taught_tags import NONE_TAUGHT, CasesByTag, TaughtTags
from sam_trainer.methods.trainable import Trainable

T = TypeVar("T")

# How far a slice is turned (degrees), grown and moved (shares of its side).
TURN, GROW, MOVE = 12.0, 0.18, 0.06

# How its grey is bent and scaled, and the noise that is added (of 255).
GAMMA, GAIN, NOISE = 0.3, 0.15, 10.0

# A slice is drawn for a label that it shows, or for no reason, so that empty ones are seen too.
FOR_A_LABEL = 0.8


@dataclass(frozen=True, eq=False)
class SemanticBatch:
    """B slices: pictures (B, 3, S, S), label numbers (B, S, S), known (B, labels), and the network's features."""

    pictures: Tensor
    numbers: Tensor
    known: Tensor
    features: Mapping[str, Tensor]


class SemanticBatches:
    """Batches from lessons: every case equally often, in a case every label, in a batch cases of one tag.

    With a `cache` images are encoded once by `backbone`, the encoder that serves, and shown unchanged; without one
    the network that trains encodes them, moved and recoloured.
    """

    def __init__(
        self,
        lessons: Sequence[SemanticLesson],
        backbone: Backbone,
        cache: EmbeddingCache | None = None,
        taught: TaughtTags = NONE_TAUGHT,
    ) -> None:
        self._by_case: dict[str, list[SemanticLesson]] = {}
        for lesson in lessons:
            self._by_case.setdefault(lesson.case, []).append(lesson)
        self._cases = CasesByTag(taught, lessons)
        self._backbone = backbone
        self._cache = cache

    def draw(self, network: Trainable | None, images: int, rng: np.random.Generator) -> SemanticBatch:
        """A batch; with neither a cache nor a network its features are empty."""
        drawn: list[Drawn] = []
        for _ in range(images):
            drawn.append(self._one(rng, like=drawn[0][0].case if drawn else None))
        if network is not None and drawn:
            self._cases.tell(network, drawn[0][0].case)
        known = torch.from_numpy(np.stack([lesson.known for lesson, *_ in drawn]))
        pictures = torch.stack([picture_of(middle_of(stack), frame.input_size) for _, frame, stack, _ in drawn])
        numbers = torch.from_numpy(np.stack([_at_picture_side(values) for *_, values in drawn]).astype(np.int64))
        return SemanticBatch(pictures, numbers, known, self._features(network, drawn))

    def blank_features(self) -> Mapping[str, Tensor]:
        """What the network says about an empty picture: how many maps there are, and of what sizes."""
        side = self._backbone.input_size
        return self._backbone.encode(np.zeros((self._backbone.depth, side, side, 3), np.uint8))

    def _one(self, rng: np.random.Generator, like: str | None) -> Drawn:
        case = self._by_case[self._cases.any(rng, like)]
        lesson = case[int(rng.integers(len(case)))]
        if rng.random() < FOR_A_LABEL:
            label = _any(sorted({value for one in case for value in one.shows}), rng)
            lesson = _any([one for one in case if label in one.shows], rng)
        frame = self._backbone.frame(whole(lesson.view.height, lesson.view.width), lesson.view.pixel_mm)
        stack, values = resize_stack(lesson.stack, frame), in_frame(lesson.values, frame)
        if self._cache is None:
            stack, values = moved(stack, values, rng)
        return lesson, frame, stack, values

    def _features(self, network: Trainable | None, drawn: Sequence[Drawn]) -> Mapping[str, Tensor]:
        if self._cache is None:
            if network is None:
                return {}
            return network.encode(torch.stack([network.image(stack) for _, _, stack, _ in drawn]))
        entries = [self._remembered(lesson, frame, stack, self._cache) for lesson, frame, stack, _ in drawn]
        return {name: torch.cat([entry[name].float() for entry in entries]) for name in entries[0]}

    def _remembered(
        self, lesson: SemanticLesson, frame: Frame, stack: UInt8Array, cache: EmbeddingCache
    ) -> Mapping[str, Tensor]:
        key = EmbeddingKey(
            lesson.image,
            lesson.view.axis,
            lesson.view.index,
            lesson.window.key,
            frame.crop.key,
            frame.input_size,
            self._backbone.encoder_id,
            self._backbone.depth,
        )
        return cache.get(key, lambda: self._backbone.encode(stack))


Drawn = tuple[SemanticLesson, Frame, UInt8Array, UInt8Array]


def moved(stack: UInt8Array, values: UInt8Array, rng: np.random.Generator) -> tuple[UInt8Array, UInt8Array]:
    """Slices (n, h, w, 3) and label numbers (S, S) of a frame turned, grown and moved alike, the slices recoloured."""
    height, width = stack.shape[1:3]
    turn = cv2.getRotationMatrix2D(
        ((width - 1) / 2, (height - 1) / 2), float(rng.uniform(-TURN, TURN)), float(np.exp(rng.uniform(-GROW, GROW)))
    )
    turn[:, 2] += rng.uniform(-MOVE, MOVE, 2) * max(height, width)
    bent = 255.0 * rng.uniform(1 - GAIN, 1 + GAIN) * (stack / 255.0) ** np.exp(rng.uniform(-GAMMA, GAMMA))
    turned = [cv2.warpAffine(one.astype(np.float32), turn, (width, height), flags=cv2.INTER_LINEAR) for one in bent]
    noise = rng.standard_normal((len(stack), height, width, 1), np.float32) * np.float32(rng.uniform(0, NOISE))
    # the frame's padding stays empty: nothing is moved into it
    placed = np.zeros_like(values)
    placed[:height, :width] = cv2.warpAffine(values[:height, :width], turn, (width, height), flags=cv2.INTER_NEAREST)
    return np.clip(np.rint(np.stack(turned) + noise), 0, 255).astype(np.uint8), placed


def _at_picture_side(values: UInt8Array) -> UInt8Array:
    """Label numbers (S, S) at the head's resolution."""
    side = PICTURE_SIDE
    return (
        values if len(values) == side else np.asarray(cv2.resize(values, (side, side), interpolation=cv2.INTER_NEAREST))
    )


def _any(items: Sequence[T], rng: np.random.Generator) -> T:
    return items[int(rng.integers(len(items)))]
