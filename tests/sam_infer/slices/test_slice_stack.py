"""Networks that look at neighbouring slices: what they are shown, and what their answers depend on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from sam_infer.errors import ModelError
from sam_infer.imaging.volume import Volume
from sam_infer.imaging.window import choose_window
from sam_infer.networks.backbone import Features, only_slice
from sam_infer.networks.frame import resize_pixels, whole
from sam_infer.prompts.object_prompts import Box, Prompts
from sam_infer.propagation.segment import segment_volume
from sam_infer.slices.embedding_cache import EmbeddingCache
from sam_infer.slices.predictor import Options, Predictor
from sam_infer.slices.slice_stack import slice_stack
from sam_infer.uncertainty.measures import VIEWS
from sam_infer.uncertainty.probe import Probe
from sam_trainer.synthetic.patients import grid
from tests.conftest import BrightNetwork

SLICES = 5


class ThreeSlices(BrightNetwork):
    """Sees the mean of a slice and its two neighbours; remembers every stack that it was shown."""

    name = "three"
    depth = 3

    def __init__(self) -> None:
        super().__init__()
        self.shown: list[np.ndarray] = []

    def encode(self, stack: np.ndarray) -> Features:
        assert stack.shape[0] == self.depth and stack.shape[3] == 3
        self.shown.append(stack)
        return super().encode(np.rint(stack.mean(axis=0, keepdims=True)).astype(np.uint8))


def volume(levels: tuple[int, ...] = (10, 60, 110, 160, 200)) -> Volume:
    """Every slice has a grey of its own behind a bright block."""
    array = np.broadcast_to(np.array(levels, np.int16), (64, 48, SLICES)).copy(order="F")
    array[20:40, 15:35] += 40
    return Volume(array, grid((64, 48, SLICES), (1, 1, 3)), "CT")


def click(index: int) -> Prompts:
    return Prompts(2, np.array([[30, 25, index]]), np.array([1]))


def grey_at_the_corner(network: ThreeSlices) -> list[int]:
    """Background of each slice of the last stack."""
    return [int(pixels[0, 0, 0]) for pixels in network.shown[-1]]


@pytest.mark.parametrize(
    ("index", "expected"), [(0, (0, 0, 1)), (2, (1, 2, 3)), (SLICES - 1, (SLICES - 2, SLICES - 1, SLICES - 1))]
)
def test_a_slice_comes_with_its_neighbours_and_ends_are_repeated(index: int, expected: tuple[int, ...]) -> None:
    network, image = ThreeSlices(), volume()
    Predictor(network, EmbeddingCache()).predict(image, click(index), index, Options("soft_tissue", zoom=None))
    window = choose_window(image, "soft_tissue")
    greys = [int(window.apply(image.array[0, 0, k : k + 1])[0]) for k in range(SLICES)]
    assert grey_at_the_corner(network) == [greys[k] for k in expected]


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_neighbours_lie_along_the_views_axis(axis: int) -> None:
    geometry = grid((7, 6, 5), (1, 2, 3))
    at = np.arange(geometry.shape[axis]).reshape([-1 if a == axis else 1 for a in range(3)])
    image = Volume(np.asfortranarray(np.broadcast_to(at * 20, geometry.shape).astype(np.int16)), geometry, "CT")
    view = image.view(axis, 1)
    assert [int(image.pixels(one).mean()) for one in view.neighbours(5)] == [0, 0, 20, 40, 60]
    assert view.neighbours(1) == [view]


def test_the_answer_depends_on_neighbours_and_on_no_slice_beyond() -> None:
    def logits(network: BrightNetwork, image: Volume) -> np.ndarray:
        found = Predictor(network, EmbeddingCache()).predict(image, click(2), 2, Options("soft_tissue", zoom=None))
        return found.logits

    plain, beside, beyond = volume(), volume((10, 150, 110, 160, 200)), volume((150, 60, 110, 160, 10))
    assert not np.array_equal(logits(ThreeSlices(), plain), logits(ThreeSlices(), beside))
    assert np.array_equal(logits(ThreeSlices(), plain), logits(ThreeSlices(), beyond))
    assert np.array_equal(logits(BrightNetwork(), plain), logits(BrightNetwork(), beside))


def test_networks_of_other_depths_share_no_embedding(tmp_path: Path) -> None:
    """Also where their encoders have the same name."""
    networks, cache, image = (BrightNetwork(), ThreeSlices()), EmbeddingCache(folder=tmp_path), volume()
    window = choose_window(image, "soft_tissue")
    for network in networks:
        predictor = Predictor(network, cache)
        assert predictor.prepare(image, 2, 2, window) and not predictor.prepare(image, 2, 2, window)
        predictor.predict(image, click(2), 2, Options("soft_tissue", zoom=None))
        assert network.encodes == 1
    cache.flush()
    assert len(list(tmp_path.rglob("*.safetensors"))) == 2


def test_a_stack_of_one_is_the_slice_alone_bit_for_bit() -> None:
    image = volume()
    view, window = image.view(2, 3), choose_window(image, "soft_tissue")
    frame = BrightNetwork().frame(whole(view.height, view.width), view.pixel_mm)
    stack = slice_stack(image, view, window, frame, 1)
    alone = resize_pixels(window.apply(frame.cut(image.pixels(view))), frame)
    assert stack.shape == (1, *alone.shape) and np.array_equal(only_slice(stack), alone)
    three = slice_stack(image, view, window, frame, 3)
    assert np.array_equal(three[1], alone) and not np.array_equal(three[0], alone)


def test_objects_are_followed_and_doubted_with_stacks() -> None:
    network, image = ThreeSlices(), volume((110, 110, 110, 110, 110))
    predictor = Predictor(network, EmbeddingCache())
    found = segment_volume(predictor, image, Prompts(2, box=Box.of([20, 15, 2], [39, 34, 2])))
    assert found.slices
    view, window = image.view(2, 2), choose_window(image, "soft_tissue")
    before = network.encodes
    evidence = Probe(predictor, image, window, (VIEWS,)).at(view, view.extract(found.mask.array) > 0)
    assert evidence.looks[VIEWS].shape[0] == 3 and network.encodes >= before + 3


def test_a_network_of_one_slice_refuses_a_stack() -> None:
    from sam_infer.networks.tiny.backbone import TinyBackbone

    tiny = TinyBackbone.random()
    for wrong in ((3, 32, 32, 3), (32, 32, 3)):
        with pytest.raises(ModelError, match="looks at one slice"):
            tiny.encode(np.zeros(wrong, np.uint8))
    assert all(torch.isfinite(values).all() for values in tiny.encode(np.zeros((1, 32, 32, 3), np.uint8)).values())
