"""What was learned is laid over an answer, never over a reader's word."""

from __future__ import annotations

import numpy as np

from sam_infer.imaging.volume import Mask, Volume
from sam_infer.prompts.object_prompts import Prompts
from sam_infer.slices.embedding_cache import EmbeddingCache
from sam_infer.slices.predictor import Options, Predictor
from sam_infer.slices.refiner import obeying


class Wider:
    """Says that all of the slice belongs to a label."""

    key = "wider"

    def __init__(self, share: float = 0.5) -> None:
        self._share = share

    def share(self, label: str) -> float:
        return self._share if label == "liver" else 1.0

    def refine(self, label: str, shown: np.ndarray, logits: np.ndarray) -> np.ndarray:
        assert shown.dtype == np.uint8 and shown.shape[:2] == logits.shape
        return np.full_like(logits, 2.0)


def asked(network, phantom: tuple[Volume, Mask], refiner: object, options: Options, *more: list[int]):
    inside = np.argwhere(phantom[1].array[:, :, 10])
    points = np.array([[*inside[len(inside) // 2], 10], *more])
    prompts = Prompts(points=points, labels=np.array([1] + [0] * len(more)))
    return Predictor(network, EmbeddingCache(), refiner=refiner).predict(phantom[0], prompts, 10, options)


def test_where_nothing_was_learned_not_a_bit_changes(network, l_phantom) -> None:
    alone = asked(network, l_phantom, None, Options(label="liver"))
    for refiner, options in (
        (Wider(1.0), Options(label="liver")),
        (Wider(), Options(label="spleen")),
        (Wider(), Options(label="liver", candidate=0)),
    ):
        found = asked(network, l_phantom, refiner, options)
        same = asked(network, l_phantom, None, options) if options.candidate == 0 else alone
        assert np.array_equal(found.logits, same.logits) and found.share == 1.0
        assert np.array_equal(found.candidates.logits, same.candidates.logits)


def test_it_moves_the_outline_and_what_goes_on_from_it(network, l_phantom) -> None:
    found = asked(network, l_phantom, Wider(), Options(label="liver"))
    assert found.pixels.all() and found.share == 0.5
    assert found.candidates.logits[found.chosen].max() > 0
    corner = asked(network, l_phantom, Wider(), Options(label="liver"), [0, 0, 10])
    row, col = corner.view.to_display([[0, 0, 10]]).astype(int)[0]
    assert not corner.pixels[row, col]


def test_a_click_takes_back_the_part_that_it_lies_in_and_no_other() -> None:
    alone = np.full((6, 9), -1.0, np.float32)
    alone[:, 4] = 1.0
    fused = np.full((6, 9), 1.0, np.float32)
    spots, wanted = np.array([[2, 1], [2, 4]]), np.array([0, 1])
    found = obeying(fused, alone, spots, wanted) > 0
    assert not found[:, :4].any() and found[:, 4:].all()
    assert obeying(fused, alone, spots[1:], wanted[1:]) is fused
    assert obeying(fused, alone, np.zeros((0, 2), np.int64), np.zeros(0, np.int64)) is fused
