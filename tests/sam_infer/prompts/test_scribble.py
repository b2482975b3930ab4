"""Brush strokes become a few points and a promise."""

from __future__ import annotations

import numpy as np
import pytest

from sam_infer.errors import PromptError
from sam_infer.imaging.geometry import Geometry
from sam_infer.imaging.itk_image import LPS_TO_RAS
from sam_infer.imaging.volume import Volume
from sam_infer.prompts.object_prompts import Prompts
from sam_infer.prompts.scribble import POINTS_PER_STROKE, Scribble, spread
from sam_infer.slices.embedding_cache import EmbeddingCache
from sam_infer.slices.predictor import Options, Predictor

NONE = np.zeros((0, 3), np.int64)
GRID = Geometry((20, 10, 4), LPS_TO_RAS @ np.diag([1.0, 4.0, 5.0, 1.0]))


def line(length: int = 20) -> np.ndarray:
    return np.array([[i, 5, 2] for i in range(length)])


def test_points_are_spread_over_the_stroke() -> None:
    points = spread(line(), GRID, 3)
    assert sorted(p[0] for p in points.tolist()) == [0, 9, 19]


def test_distances_are_millimetres() -> None:
    """Four voxels along j are farther than ten along i."""
    cross = np.array([[0, 5, 2], [10, 5, 2], [5, 5, 2], [5, 1, 2]])
    assert [5, 1, 2] in spread(cross, GRID, 2).tolist()


@pytest.mark.parametrize("seed", range(5))
def test_the_order_of_painting_does_not_matter(seed: int) -> None:
    rng = np.random.default_rng(seed)
    stroke = rng.integers(0, (20, 10, 4), (60, 3))
    assert np.array_equal(spread(stroke, GRID, 6), spread(rng.permutation(stroke), GRID, 6))


def test_few_voxels_stay_as_they_are() -> None:
    assert spread(NONE, GRID, 6).shape == (0, 3)
    assert spread(np.array([[1, 2, 3], [1, 2, 3]]), GRID, 6).tolist() == [[1, 2, 3]]


def test_points_and_paint() -> None:
    scribble = Scribble(line(), np.array([[3, 5, 2], [0, 0, 0]]))
    points, labels = scribble.points(GRID)
    assert labels.tolist() == [1] * POINTS_PER_STROKE + [0, 0]
    assert len(points) == len(labels)
    painted = scribble.painted(GRID)
    assert painted is not None
    assert painted.array[4, 5, 2] == 1 and painted.array[3, 5, 2] == 2  # background wins
    here = scribble.on_slice(2, 0)
    assert len(here.inside) == 0 and here.outside.tolist() == [[0, 0, 0]]
    assert Scribble(NONE, NONE).painted(GRID) is None and Scribble(NONE, NONE).is_empty


@pytest.mark.parametrize(
    ("field", "inside", "outside"),
    [("foreground_scribble", [[20, 0, 0]], NONE), ("background_scribble", NONE, [[0, -1, 0]])],
)
def test_paint_outside_the_image_is_refused(field: str, inside: object, outside: object) -> None:
    with pytest.raises(PromptError, match=field):
        Scribble(np.asarray(inside), np.asarray(outside)).checked(GRID)


def test_the_answer_keeps_the_promise(network: object) -> None:
    array = np.zeros((64, 64, 1), np.int16, order="F")
    array[20:40, 20:40] = 200
    volume = Volume(array, Geometry((64, 64, 1), LPS_TO_RAS))
    scribble = Scribble(np.array([[30, 30, 0], [2, 2, 0]]), np.array([[35, 35, 0]]))
    points, labels = scribble.points(volume.geometry)
    prompts = Prompts(2, points, labels, painted=scribble.painted(volume.geometry))
    predictor = Predictor(network, EmbeddingCache())  # type: ignore[arg-type]
    mask = predictor.predict(volume, prompts, 0, Options(window="full", zoom=None)).mask(volume).array
    assert mask[2, 2, 0] == 1 and mask[35, 35, 0] == 0 and mask[25, 25, 0] == 1
