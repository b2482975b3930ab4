import numpy as np
import pytest

from sam_infer.propagation.intensity_model import IntensityModel


def scene(inside: float, outside: float) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    mask = np.zeros((60, 60), bool)
    mask[20:40, 20:40] = True
    return np.where(mask, inside, outside) + rng.normal(0, 5, mask.shape), mask


@pytest.mark.parametrize(
    ("grey", "like"),
    [(100, True), (20, False), (160, False), (-60, False)],
    ids=["the same", "the surroundings", "brighter than anything seen", "darker than anything seen"],
)
def test_only_what_was_seen_in_the_object_is_like_it(grey: float, like: bool) -> None:
    model = IntensityModel.of(*scene(100, 20))
    assert model is not None
    pixels, mask = scene(grey, 20)
    assert (model.of_mask(pixels, mask) > 0.6) == like


def test_an_object_that_looks_like_its_surroundings_says_nothing() -> None:
    model = IntensityModel.of(*scene(50, 50))
    assert model is not None and model.of_mask(*scene(200, 50)) == 1.0
