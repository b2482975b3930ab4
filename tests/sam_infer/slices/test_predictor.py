from dataclasses import replace

import numpy as np
import pytest

from sam_infer.errors import PromptError
from sam_infer.imaging.geometry import Geometry
from sam_infer.imaging.volume import Mask, Volume
from sam_infer.prompts.object_prompts import Box, Prompts
from sam_infer.slices.embedding_cache import EmbeddingCache
from sam_infer.slices.predictor import Options, Predictor
from sam_trainer.synthetic.patients import grid

CLICK = np.array([[30, 40, 3]])


@pytest.fixture
def volume() -> Volume:
    """200 x 160 x 6, dark but for a bright block at i 24..43, j 30..59 on every slice and a small one far away."""
    array = np.zeros((200, 160, 6), np.int16)
    array[24:44, 30:60] = 200
    array[150:156, 100:104] = 200
    return Volume(array, grid((200, 160, 6), (1, 1, 3)), "CT")


def click(*points: list[int], negative: tuple[list[int], ...] = ()) -> Prompts:
    every = np.array([*points, *negative])
    return Prompts(points=every, labels=np.array([1] * len(points) + [0] * len(negative)))


@pytest.fixture
def predictor(network) -> Predictor:
    return Predictor(network, EmbeddingCache())


def test_a_click_becomes_a_mask_on_its_slice_only(predictor: Predictor, volume: Volume) -> None:
    mask = predictor.predict(volume, click([30, 40, 3]), 3, Options(zoom=None)).mask(volume)
    assert mask.geometry.same_as(volume.geometry) and mask.array.dtype == np.uint8
    assert mask.array[:, :, [0, 1, 2, 4, 5]].sum() == 0
    truth = volume.array[:, :, 3] > 0
    overlap = 2 * (truth & (mask.array[:, :, 3] > 0)).sum() / (truth.sum() + mask.array.sum())
    assert overlap > 0.9


def test_a_box_limits_the_mask_to_the_object(predictor: Predictor, volume: Volume) -> None:
    box = Prompts(box=Box.of([44, 59, 3], [24, 30, 3]))
    array = predictor.predict(volume, box, 3).mask(volume).array
    assert array[150:156, 100:104].sum() == 0
    assert abs(int(array.sum()) - 20 * 30) <= 60


def test_same_arguments_same_answer(predictor: Predictor, volume: Volume) -> None:
    points = click([30, 40, 3], [35, 45, 3], negative=([100, 100, 3],))
    first, second = (predictor.predict(volume, points, 3) for _ in range(2))
    assert np.array_equal(first.logits, second.logits)


def test_ten_clicks_encode_at_most_twice_and_never_again(predictor: Predictor, volume: Volume, network) -> None:
    for n in range(1, 11):
        predictor.predict(volume, click(*[[26 + i, 33 + 2 * i, 3] for i in range(n)]), 3)
    assert network.encodes <= 2
    before = network.encodes
    predictor.predict(volume, click([30, 40, 3]), 3)
    assert network.encodes == before


def test_a_small_boxed_object_is_seen_enlarged_and_costs_one_encode(
    predictor: Predictor, volume: Volume, network
) -> None:
    prediction = predictor.predict(volume, Prompts(box=Box.of([150, 100, 2], [155, 103, 2])), 2)
    assert prediction.frame.crop.width < 60 and network.encodes == 1
    assert prediction.pixels.sum() == 6 * 4


def test_every_plane_gets_its_mask(predictor: Predictor, volume: Volume) -> None:
    for axis in range(3):
        mask = predictor.predict(volume, replace(click([30, 40, 3]), axis=axis), [30, 40, 3][axis]).mask(volume)
        planes = np.flatnonzero((mask.array > 0).any(axis=tuple(a for a in range(3) if a != axis)))
        assert planes.tolist() == [[30, 40, 3][axis]]
        assert mask.array[30, 40, 3] == 1


def test_candidates_can_be_chosen(predictor: Predictor, volume: Volume) -> None:
    own = predictor.predict(volume, click([30, 40, 3]), 3, Options(zoom=None))
    other = predictor.predict(volume, click([30, 40, 3]), 3, Options(zoom=None, candidate=1))
    assert (own.chosen, other.chosen) == (0, 1)
    assert other.pixels.sum() < own.pixels.sum()
    assert (own.score, other.score) == (pytest.approx(0.9), pytest.approx(0.6))
    assert np.array_equal(own.candidate_logits(1), other.logits)


def test_only_background_and_nothing_at_all_are_refused(predictor: Predictor, volume: Volume) -> None:
    only_background = Prompts(points=CLICK, labels=np.array([0]))
    with pytest.raises(PromptError, match="only background points"):
        predictor.predict(volume, only_background, 3)
    with pytest.raises(PromptError, match="lies on slice 5"):
        predictor.predict(volume, click([30, 40, 3]), 5)
    with pytest.raises(PromptError, match="candidate must be"):
        Options(candidate=3)


def test_a_prior_mask_reaches_the_network_where_it_lies(volume: Volume, network) -> None:
    seen = []
    plain = network.decode
    network.decode = lambda features, hints: (seen.append(hints.mask_logits), plain(features, hints))[1]
    prior = Mask.empty(volume.geometry)
    prior.array[24:44, 30:60, 3] = 1
    Predictor(network, EmbeddingCache()).predict(volume, Prompts(mask=prior), 3, Options(zoom=None))
    logits = seen[0]
    assert logits.shape == (128, 128)
    # 200 columns become 128: the block's columns 24..43 are model columns 15.4..28.2, rows 30..59 are 19.2..38.4
    assert logits[28, 22] == pytest.approx(6.0) and logits[28, 40] == pytest.approx(-6.0)
    assert (logits[20:38, 16:28] > 0).all() and (logits > 0).sum() < 1.2 * 20 * 13


def test_colour_passes(network) -> None:
    picture = np.full((50, 40, 1, 3), 60, np.uint8)
    picture[10:20, 10:20] = 200
    volume = Volume(picture, Geometry((50, 40, 1), np.diag([-1.0, -1, 1, 1])), "RGB")
    prediction = Predictor(network, EmbeddingCache()).predict(volume, click([15, 15, 0]), 0, Options(zoom=None))
    assert prediction.mask(volume).array[15, 15, 0] == 1 and 80 <= prediction.pixels.sum() <= 130


def test_ten_clicks_on_one_object_encode_at_most_twice_and_never_again(
    network,
) -> None:
    rows, cols = np.mgrid[:256, :256]
    disk = np.hypot(rows - 90, cols - 150) < 12
    array = np.where(disk, 1000, 100).astype(np.int16).T[..., None]
    volume = Volume(np.asfortranarray(array), Geometry((256, 256, 1), np.diag([-1.0, -1.0, 1.0, 1.0])))
    places = [
        (150, 90),
        (160, 92),
        (140, 85),
        (150, 104),
        (190, 60),
        (155, 78),
        (138, 98),
        (100, 90),
        (162, 95),
        (150, 70),
    ]
    labels = [1, 1, 1, 1, 0, 1, 1, 0, 1, 0]
    predictor = Predictor(network, EmbeddingCache())
    for _ in range(2):
        for n in range(1, 11):
            points = np.array([(i, j, 0) for i, j in places[:n]])
            prediction = predictor.predict(volume, Prompts(2, points, np.array(labels[:n])), 0)
        assert network.encodes == 2
    assert prediction.frame.crop.height < 256
