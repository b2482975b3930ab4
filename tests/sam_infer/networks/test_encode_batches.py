"""Encodes of several readers meet in one pass of the network."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch

from sam_infer.networks.backbone import Features
from sam_infer.networks.encode_batches import EncodeBatches, Stack
from sam_infer.networks.tiny.backbone import TinyBackbone


def frames(count: int) -> list[Stack]:
    rng = np.random.default_rng(0)
    return [rng.integers(0, 255, (1, 64 + 16 * n, 256, 3)).astype(np.uint8) for n in range(count)]


class Slow:
    """A network whose first pass lasts until the others are waiting."""

    def __init__(self) -> None:
        self.passes: list[int] = []
        self.go_on = threading.Event()

    def __call__(self, batch: Sequence[Stack]) -> list[Features]:
        self.passes.append(len(batch))
        if len(self.passes) == 1:
            assert self.go_on.wait(20)
        return [{"mean": torch.tensor(float(pixels.mean()))} for pixels in batch]


def test_who_waits_goes_along_and_gets_its_own() -> None:
    network, given = Slow(), frames(10)
    batches = EncodeBatches(network, most=4)
    with ThreadPoolExecutor(10) as readers:
        first = readers.submit(batches.encode, given[0])
        while not network.passes:
            pass
        others = [readers.submit(batches.encode, pixels) for pixels in given[1:]]
        while len(batches._waiting) < 9:
            pass
        network.go_on.set()
        found = [float(future.result(20)["mean"]) for future in (first, *others)]
    assert found == pytest.approx([float(pixels.mean()) for pixels in given])
    assert network.passes == [1, 4, 4, 1]


def test_a_failed_pass_is_told_to_all_in_it_and_to_nobody_later() -> None:
    broken = True

    def network(batch: Sequence[Stack]) -> list[Features]:
        if broken:
            raise RuntimeError("out of memory")
        return [{} for _ in batch]

    batches = EncodeBatches(network)
    with pytest.raises(RuntimeError, match="out of memory"):
        batches.encode(frames(1)[0])
    broken = False
    assert batches.encode(frames(1)[0]) == {}


def test_frames_of_a_pass_are_encoded_as_if_alone() -> None:
    backbone, given = TinyBackbone.embedded(), frames(3)
    for together, pixels in zip(backbone.encode_all(given), given, strict=True):
        alone = backbone.encode(pixels)
        for name, values in alone.items():
            assert together[name].shape == values.shape
            assert torch.allclose(together[name].float(), values.float(), atol=2e-2, rtol=2e-2)
