import numpy as np
import torch

from sam_infer.automatic.taught.embedded_slice import embedding_maps, label_shares, stacked


def test_maps_of_any_side_come_to_one_grid_with_a_constant_last() -> None:
    rng = np.random.default_rng(0)
    features = {"b": torch.tensor(rng.normal(size=(1, 2, 16, 16))), "a": torch.tensor(rng.normal(size=(1, 3, 8, 8)))}
    maps = embedding_maps(features, 16)
    assert maps.shape == (6, 16, 16) and bool((maps[-1] == 1).all())
    assert torch.equal(maps[3:5], features["b"][0].float())
    assert np.allclose(stacked(features, 16).T.reshape(6, 16, 16), maps.numpy())


def test_shares_say_how_much_of_a_pixel_a_label_covers() -> None:
    values = np.zeros((4, 4), np.uint8)
    values[:2, :1], values[2:, 2:] = 1, 2
    assert label_shares(values, 2, 2).tolist() == [[[0.5, 0], [0, 0]], [[0, 0], [0, 1]]]
