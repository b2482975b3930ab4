"""Every pixel goes to its likeliest label; what was not learned is said, and never drawn."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from sam_infer.automatic.label_search import LabelSearch
from sam_infer.automatic.semantic import answer_on, likeliest_label, semantic_labels
from sam_infer.errors import PromptError
from sam_infer.imaging.volume import Mask, Volume
from sam_infer.networks.frame import whole
from sam_infer.networks.naming.semantic_head import SemanticHead, taps_of
from sam_infer.networks.tiny.backbone import TinyBackbone
from sam_infer.prompts.object_prompts import Box
from sam_infer.slices.embedding_cache import EmbeddingCache
from sam_infer.slices.predictor import Predictor


@pytest.fixture(scope="module")
def predictor() -> Predictor:
    """A head that has learned nothing in particular, but draws all of its labels somewhere."""
    backbone = TinyBackbone.random()
    features = backbone.encode(np.zeros((1, 256, 256, 3), np.uint8))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(4)
        made = SemanticHead(("bone", "liver", "spleen"), taps_of(features))
        made.weigh.bias.data[-1] += 2.5
    found = SemanticHead.of(made.tensors())
    return Predictor(backbone, EmbeddingCache(), adapter="0123456789abcdef", semantic=found)


def survey(predictor: Predictor, volume: Volume, labels: tuple[str, ...], limit: Box | None = None) -> LabelSearch:
    return LabelSearch(predictor, volume, 2, range(10, 12), labels, limit=limit)


def test_labels_get_the_values_of_the_server_not_of_the_head(
    predictor: Predictor, l_phantom: tuple[Volume, Mask]
) -> None:
    volume, _ = l_phantom
    found = semantic_labels(survey(predictor, volume, ("spleen", "kidney", "liver", "bone")))
    assert found.notes == ("not learned yet: kidney",) and len(found.scores) >= 2
    table = np.array([0, 4, 3, 1], np.uint8)  # bone, liver, spleen
    for index in (10, 11):
        view = volume.view(2, index)
        number, logit = answer_on(predictor, volume, view)
        np.testing.assert_array_equal(view.extract(found.mask.array), table[number])
        assert np.all(logit[number > 0] > 0) and np.all(logit[number == 0] == 0)
    assert not found.mask.array[:, :, :10].any() and not found.mask.array[:, :, 12:].any()
    assert all(0.5 < score < 1 for score in found.scores.values())


def test_labels_that_are_not_wanted_still_compete(predictor: Predictor, l_phantom: tuple[Volume, Mask]) -> None:
    volume, _ = l_phantom
    asked = survey(predictor, volume, ("bone", "liver", "spleen"))
    everything = semantic_labels(asked)
    name = max(everything.scores, key=lambda one: int((everything.mask.array == asked.labels.index(one) + 1).sum()))
    value = asked.labels.index(name) + 1
    alone = semantic_labels(asked, [name])
    np.testing.assert_array_equal(alone.mask.array, np.where(everything.mask.array == value, value, 0))
    assert set(alone.scores) == {name} and alone.notes == ()


def test_nothing_is_drawn_outside_the_limit(predictor: Predictor, l_phantom: tuple[Volume, Mask]) -> None:
    volume, _ = l_phantom
    limit = Box.of([5, 5, 11], [20, 15, 11])
    found = semantic_labels(survey(predictor, volume, ("bone", "liver", "spleen"), limit))
    where = np.argwhere(found.mask.array)
    assert len(where) and np.all(where >= limit.low) and np.all(where <= limit.high)


def test_what_was_not_learned_is_refused_with_what_was(predictor: Predictor, l_phantom: tuple[Volume, Mask]) -> None:
    volume, _ = l_phantom
    with pytest.raises(
        PromptError, match=r"0123456789ab has not learned kidney, only bone, liver, spleen.*train again"
    ):
        semantic_labels(survey(predictor, volume, ("kidney", "liver")), ["kidney", "liver"])
    with pytest.raises(PromptError, match=r"has learned none of this server's labels, only bone"):
        semantic_labels(survey(predictor, volume, ("kidney",)))
    plain = Predictor(predictor.backbone, predictor.cache)
    with pytest.raises(PromptError, match=r"adapter: none\) has learned no labels.*train.*promote"):
        semantic_labels(survey(plain, volume, ("liver",)))


def test_many_labels_are_weighed_in_parts() -> None:
    """More labels than are held at full size at once: the surest of all of them wins."""
    rng = np.random.default_rng(0)
    logits = rng.normal(-1, 1, (21, 16, 16)).astype(np.float32)
    frame = TinyBackbone.random().frame(whole(16, 16), (1.0, 1.0))
    number, best = likeliest_label(logits, frame)
    big = torch.nn.functional.interpolate(torch.from_numpy(logits)[None], (256, 256), mode="bilinear")
    full = torch.nn.functional.interpolate(big, (16, 16), mode="bilinear")[0].numpy()
    expected = np.where(full.max(axis=0) > 0, full.argmax(axis=0) + 1, 0)
    np.testing.assert_array_equal(number, expected)
    assert number.max() > 8 and np.allclose(best, np.maximum(full.max(axis=0), 0), atol=1e-5)
