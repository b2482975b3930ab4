"""Training batches of lessons, framed (crop, resize) as the server frames what a reader looks at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeVar

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from sam_infer.networks.backbone import Backbone, Features, downscale_mask
from sam_infer.networks.frame import Crop, Frame, resize_pixels, resize_stack, whole
from sam_infer.slices.crop import ZoomPolicy, crop_around
from sam_infer.slices.embedding_cache import EmbeddingCache, EmbeddingKey
from sam_trainer.lessons.augment import Change, draw_change
from sam_trainer.lessons.lesson import LabelledObject, Lesson
from sam_trainer.lessons.prompt_batch import FIRMNESS, FOLLOWED, MASK_STRIDE, Batch
from sam_trainer.lessons.taught_tags import NONE_TAUGHT, CasesByTag, TaughtTags
from sam_trainer.methods.trainable import Trainable
from sam_trainer.simulation.clicks import FirstPrompt, Mask, first_prompt
from sam_trainer.simulation.previous_slice import neighbour
from sam_trainer.simulation.prompt_styles import tight_box

T = TypeVar("T")

# Smaller ones are not clicked on at this resolution.
MIN_MODEL_PIXELS = 24

# A server shows boxes close up and clicks on the whole slice.
CLOSE_UP = 0.5


class LessonBatches:
    """Batches from lessons: every case equally often, in a case every label, in a batch cases of one tag.

    With a `cache` the images are encoded once by `backbone`, which must be the encoder that serves; they are shown
    unchanged then, under the keys that a server uses.
    """

    def __init__(
        self,
        lessons: Sequence[Lesson],
        backbone: Backbone,
        cache: EmbeddingCache | None = None,
        taught: TaughtTags = NONE_TAUGHT,
    ) -> None:
        self._by_case: dict[str, dict[str, list[Lesson]]] = {}
        for lesson in lessons:
            for label in sorted({found.label for found in lesson.objects}):
                self._by_case.setdefault(lesson.case, {}).setdefault(label, []).append(lesson)
        self._cases = CasesByTag(taught, (lesson for lesson in lessons if lesson.objects))
        self._backbone = backbone
        self._cache = cache
        self.taught = taught

    def draw(
        self, network: Trainable, images: int, objects: int, rng: np.random.Generator
    ) -> tuple[Batch, Features | None]:
        """A batch, and its features if they are remembered; the network is told the tag of its images."""
        shown, truths, features = [], [], []
        case: str | None = None
        for _ in range(images):
            case = self._cases.any(rng, like=case)
            lesson, anchor = self._lesson(case, rng)
            change = Change() if self._cache is not None else draw_change(rng)
            frame = self._frame(lesson, anchor, rng)
            if self._cache is None:
                changed = [resize_pixels(change.pixels(frame.cut(pixels)), frame) for pixels in lesson.stack]
                shown.append(network.image(np.stack(changed)))
            else:
                features.append(self._features(lesson, frame, self._cache))
            truths.append(_objects(lesson, anchor, frame, change, objects, rng))
        if case is not None:
            self._cases.tell(network, case)
        # remembered images need no pixels, only their number
        stack = torch.stack(shown) if shown else torch.zeros(images, 0)
        return _asked(stack, np.concatenate(truths), rng), _joined(features) if features else None

    def _lesson(self, case: str, rng: np.random.Generator) -> tuple[Lesson, LabelledObject]:
        labels = self._by_case[case]
        label = _any(list(labels), rng)
        lesson = _any(labels[label], rng)
        return lesson, _any([found for found in lesson.objects if found.label == label], rng)

    def _frame(self, lesson: Lesson, anchor: LabelledObject, rng: np.random.Generator) -> Frame:
        shape, crop = (lesson.view.height, lesson.view.width), None
        if rng.random() < CLOSE_UP:
            low, high = tight_box(anchor.mask).astype(np.float64)
            crop = crop_around(low, high, shape, lesson.view.pixel_mm, ZoomPolicy())
        chosen: Crop = crop or whole(*shape)
        return self._backbone.frame(chosen, lesson.view.pixel_mm)

    def _features(self, lesson: Lesson, frame: Frame, cache: EmbeddingCache) -> Features:
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
        return cache.get(key, lambda: self._backbone.encode(resize_stack(lesson.stack, frame)))


def _asked(images: Tensor, masks: Mask, rng: np.random.Generator) -> Batch:
    """What a reader says first about objects (N, S, S); now and then only their mask on the slice before."""
    prompts = [
        FirstPrompt(neighbour=neighbour(mask, rng)) if rng.random() < FOLLOWED else first_prompt(mask, rng)
        for mask in masks
    ]
    coverage = _coverage(masks)
    earlier = torch.full_like(coverage, torch.nan)[:, None]
    for n, prompt in enumerate(prompts):
        if prompt.neighbour is not None:
            earlier[n] = (2 * _coverage(prompt.neighbour[None]) - 1) * float(rng.uniform(*FIRMNESS))
    return Batch(images, torch.from_numpy(masks), coverage, coverage.sum((-2, -1)), prompts, earlier)


def _coverage(masks: Mask) -> Tensor:
    """Masks (N, S, S) as covered shares (N, S/4, S/4)."""
    return F.avg_pool2d(torch.from_numpy(masks).float(), MASK_STRIDE)


def _objects(
    lesson: Lesson, anchor: LabelledObject, frame: Frame, change: Change, count: int, rng: np.random.Generator
) -> Mask:
    """`count` objects (count, S, S) that the frame shows: the anchor, then any of them."""
    masks = [_in_frame(found, frame, change) for found in lesson.objects if found is not anchor]
    first = _in_frame(anchor, frame, change)
    seen = [mask for mask in masks if mask.sum() >= MIN_MODEL_PIXELS] or [first]
    return np.stack([first, *(_any(seen, rng) for _ in range(count - 1))])


def _in_frame(found: LabelledObject, frame: Frame, change: Change) -> Mask:
    cut = change.place(frame.cut(found.mask)).astype(np.float32)
    inside = downscale_mask(cut, frame, frame.input_size) > 0.5
    if not inside.any():  # an object thinner than a model pixel is still there
        inside = downscale_mask(cut, frame, frame.input_size) > 0.1
    return inside.astype(np.uint8)


def _joined(features: Sequence[Features]) -> Mapping[str, Tensor]:
    return {name: torch.cat([entry[name].float() for entry in features]) for name in features[0]}


def _any(items: Sequence[T], rng: np.random.Generator) -> T:
    return items[int(rng.integers(len(items)))]
