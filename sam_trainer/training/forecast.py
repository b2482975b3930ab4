"""What a training would change and cost, found out by two of its steps on a picture of its own; nothing is kept."""

from __future__ import annotations

import re
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from sam_infer.adapters.kinds.value import VALUE
from sam_infer.imaging.slice_view import SliceView
from sam_infer.imaging.window import Window
from sam_infer.models.load import BaseNetwork
from sam_infer.networks.naming.semantic_head import SEMANTIC
from sam_infer.networks.naming.unet import UNET
from sam_infer.slices.embedding_cache import EmbeddingCache
from sam_trainer.config import TrainConfig
from sam_trainer.lessons.batches import LessonBatches
from sam_trainer.lessons.lesson import LabelledObject, Lesson
from sam_trainer.lessons.semantic_batches import SemanticBatches
from sam_trainer.lessons.semantic_lesson import SemanticLesson
from sam_trainer.methods.trainable import trainable
from sam_trainer.training.fit import Fit, Teacher
from sam_trainer.training.precision import settled
from sam_trainer.training.semantic import SemanticTraining
from sam_trainer.training.unet import Rival, UNetTraining

# Steps that are taken: the first one also waits for what is computed once.
STEPS = 2

SIDE, LABEL = 256, "an object"

# What an optimiser keeps for each number that trains: its gradient and two moments.
COPIES = 3


@dataclass(frozen=True)
class Forecast:
    """What is expected of a training on this machine."""

    parts: Mapping[str, int]  # numbers that train, by where they are
    parameters: int  # of the network, that train
    network: int  # of the network, all of them
    file_bytes: int  # of an adapter
    memory_bytes: int  # at most: weights, optimiser, and what is kept for gradients
    step_seconds: float
    minutes: float  # if no validation ends it early; reading, validation and verdict come on top


def forecast(base: BaseNetwork, config: TrainConfig) -> Forecast:
    """Take two steps of a training, and expect the others to be like the second."""
    network, config = trainable(base), settled(config)
    whole = sum(value.numel() for value in network.network.parameters())
    teacher, clock = _teacher(base, config), _Clock([])
    with tempfile.TemporaryDirectory(prefix="samlabel-forecast-") as folder, _kept(network.network) as kept:
        fit = Fit(network, replace(config, epochs=1, steps=STEPS, processes=1), teacher, Path(folder))
        fitted = fit.run(clock, lambda: False)
    tensors, seconds = fitted.tensors, clock.ends[-1] - clock.ends[-2]
    trained = sum(value.numel() for value in tensors.values() if value.is_floating_point())
    own = {name: value for name, value in tensors.items() if not name.startswith(f"{UNET}/")}
    return Forecast(
        parts=_parts(tensors),
        parameters=fit.parameters,
        network=whole,
        file_bytes=sum(value.numel() * value.element_size() for value in own.values()),
        memory_bytes=4 * whole + 4 * (COPIES + 1) * trained + kept.most,
        step_seconds=seconds,
        minutes=seconds * config.epochs * config.steps / 60,
    )


@dataclass
class _Clock:
    """Notes when steps end; see `Listener`."""

    ends: list[float]

    def step(self, done: float, epoch: int, loss: float) -> None:
        self.ends.append(time.perf_counter())

    def validated(self, epoch: int, metric: float, best: float, best_epoch: int) -> None:
        """Nobody looks."""


def _teacher(base: BaseNetwork, config: TrainConfig) -> Teacher:
    """A disk on grey noise, to be clicked on and to be named."""
    backbone = base.backbone()
    cache = None if config.trains_encoder else EmbeddingCache()
    rows, columns = np.mgrid[:SIDE, :SIDE]
    disk = (rows - SIDE / 2) ** 2 + (columns - SIDE / 2) ** 2 < (SIDE / 5) ** 2
    noise = np.random.default_rng(0).integers(0, 128, (config.depth, SIDE, SIDE), dtype=np.uint8)
    stack, view = noise + 100 * disk.astype(np.uint8), SliceView((SIDE, SIDE, 1), 2, 0, 1, 0, False, False, (1.0, 1.0))
    about = ("forecast", "forecast", view, Window("full", 0.0, 255.0), stack)
    batches = LessonBatches([Lesson(*about, (LabelledObject(LABEL, disk),))], backbone, cache)
    if not config.semantic_images:
        return Teacher(batches, lambda _: 0.0)
    named = [SemanticLesson(*about, disk.astype(np.uint8), np.array([True]))]
    head = SemanticTraining([LABEL], SemanticBatches(named, backbone, cache), config.seed)
    if not config.unet_steps:
        return Teacher(batches, lambda _: 0.0, head)
    unet = UNetTraining([LABEL], SemanticBatches(named, backbone), config.seed)
    return Teacher(batches, lambda _: 0.0, head, Rival(unet, lambda _: 0.0))


def _parts(tensors: Mapping[str, Tensor]) -> dict[str, int]:
    """How many numbers train where: blocks of one kind are counted together."""
    found: dict[str, int] = {}
    for name, value in tensors.items():
        kind, _, rest = name.partition("/")
        place = re.sub(r"\.\d+\b", ".N", rest.partition("/")[0])
        if kind in (SEMANTIC, UNET):
            place = "beside the network"
        elif kind == VALUE:
            place = place.partition(".")[0]
        if value.is_floating_point():
            found[f"{kind}: {place}"] = found.get(f"{kind}: {place}", 0) + value.numel()
    return found


@dataclass
class _Kept:
    """Bytes that are kept for gradients, and the most there ever were."""

    now: dict[int, int]
    total: int = 0
    most: int = 0

    def add(self, place: int, size: int) -> None:
        """Something is kept; another view of it costs nothing."""
        self.total += size - self.now.get(place, 0)
        self.now[place] = size
        self.most = max(self.most, self.total)

    def drop(self, place: int) -> None:
        """It is not needed any more."""
        self.total -= self.now.pop(place, 0)


@contextmanager
def _kept(network: nn.Module) -> Iterator[_Kept]:
    """Watch what is kept between a pass and its gradients, without the network's own weights."""
    weights = {value.untyped_storage().data_ptr() for value in network.parameters()}
    kept = _Kept({})

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in weights:
            kept.add(storage.data_ptr(), storage.nbytes())
        return tensor

    def unpack(tensor: Tensor) -> Tensor:
        kept.drop(tensor.untyped_storage().data_ptr())
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, unpack):
        yield kept
