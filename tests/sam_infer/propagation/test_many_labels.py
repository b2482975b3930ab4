import numpy as np
import pytest

from sam_infer.errors import PromptError
from sam_infer.imaging.volume import Mask, Volume
from sam_infer.prompts.object_prompts import Box, Prompts
from sam_infer.propagation.many_labels import segment_labels
from sam_infer.slices.embedding_cache import EmbeddingCache
from sam_infer.slices.predictor import Predictor
from sam_trainer.synthetic.patients import grid

GRID = grid((64, 48, 8), (1, 1, 3))


@pytest.fixture(scope="module")
def volume() -> Volume:
    """Two bright blocks that touch at i = 30, 190 HU and 230 HU."""
    array = np.full(GRID.shape, -100, np.int16)
    array[10:30, 15:35, 1:7] = 190
    array[30:50, 15:35, 1:7] = 230
    return Volume(array, GRID, "CT")


@pytest.fixture
def predictor(network) -> Predictor:
    return Predictor(network, EmbeddingCache())


def boxed(low: int, high: int, k: int = 4) -> Prompts:
    return Prompts(box=Box.of([low, 15, k], [high, 34, k]))


def test_one_value_per_label_in_the_order_asked(predictor: Predictor, volume: Volume) -> None:
    mask = segment_labels(predictor, volume, {"left": boxed(10, 29), "right": boxed(30, 49)}).mask
    assert set(np.unique(mask.array)) == {0, 1, 2} and mask.array.dtype == np.uint8
    assert mask.array[20, 25, 4] == 1 and mask.array[40, 25, 4] == 2
    swapped = segment_labels(predictor, volume, {"right": boxed(30, 49), "left": boxed(10, 29)}).mask
    assert swapped.array[20, 25, 4] == 2 and swapped.array[40, 25, 4] == 1


def test_a_contested_voxel_goes_to_the_surer_label(network, volume: Volume) -> None:
    class Graded(type(network)):
        """Surer the further right the middle of its box lies."""

        def decode(self, features, hints):
            found = super().decode(features, hints)
            middle = (hints.box_xyxy[0] + hints.box_xyxy[2]) / 2
            found.scores[0] = 0.5 + 0.4 * middle / self.input_size
            return found

    predictor = Predictor(Graded(), EmbeddingCache())
    answer = segment_labels(predictor, volume, {"wide": boxed(10, 39), "right": boxed(20, 49)})
    own = [prediction.mask.array[:, 25, 4] for prediction in answer.labels.values()]
    both = (own[0] > 0) & (own[1] > 0)
    assert both.any() and answer.contested >= both.sum()
    stored_right_is_displayed_left = GRID.world_axes[0][1] > 0
    assert set(answer.mask.array[both, 25, 4]) == {1 if stored_right_is_displayed_left else 2}


def test_the_others_points_are_background_on_the_same_slice(network, volume: Volume) -> None:
    heard: list[int] = []

    class Listening(type(network)):
        def decode(self, features, hints):
            heard.append(int((hints.labels == 0).sum()))
            return super().decode(features, hints)

    points = {
        "a": Prompts(points=np.array([[20, 25, 4]]), labels=np.array([1])),
        "b": Prompts(points=np.array([[40, 25, 4], [41, 25, 3]]), labels=np.array([1, 1])),
    }
    segment_labels(Predictor(Listening(), EmbeddingCache()), volume, points)
    assert max(heard) == 1  # only the one on slice 4


def test_brush_strokes_win(predictor: Predictor, volume: Volume) -> None:
    painted = Mask.empty(GRID)
    painted.array[2:4, 2:4, 0] = 1
    said = Prompts(box=boxed(10, 29).box, painted=painted)
    mask = segment_labels(predictor, volume, {"a": said, "b": boxed(30, 49)}).mask
    assert (mask.array[2:4, 2:4, 0] == 1).all()


def test_refusals(predictor: Predictor, volume: Volume) -> None:
    point = Prompts(points=np.array([[20, 25, 4]]), labels=np.array([1]))
    with pytest.raises(PromptError, match="labels can be segmented"):
        segment_labels(predictor, volume, {})
    with pytest.raises(PromptError, match="same plane"):
        segment_labels(predictor, volume, {"a": boxed(10, 29), "b": Prompts(0, box=Box.of([20, 1, 1], [20, 5, 5]))})
    with pytest.raises(PromptError, match="also one of another"):
        segment_labels(predictor, volume, {"a": point, "b": point})
