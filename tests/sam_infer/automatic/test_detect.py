"""Several lesions of one kind: what the box head finds on slices of patients it has not learned from."""

from collections.abc import Iterator

import numpy as np
import pytest
from scipy import ndimage

from sam_infer.automatic.detect import boxes_on, detect_labels
from sam_infer.automatic.example import AcceptedCase
from sam_infer.automatic.label_search import LabelSearch
from sam_infer.automatic.taught import box_head
from sam_infer.automatic.taught.box_head import iou
from sam_infer.errors import PromptError
from sam_infer.imaging.volume import Mask, Volume
from sam_infer.networks.tiny.backbone import TinyBackbone
from sam_infer.slices.embedding_cache import EmbeddingCache
from sam_infer.slices.predictor import Predictor
from sam_trainer.measures.overlap import dice
from sam_trainer.synthetic.patients import grid

SHAPE = (128, 128, 4)


def lesions(seed: int) -> AcceptedCase:
    """Four slices of an organ, each with one to four dark lesions, and bright vessels that are none."""
    rng = np.random.default_rng(seed)
    rows, cols = np.mgrid[: SHAPE[0], : SHAPE[1]]
    array, truth = np.zeros(SHAPE, np.float32, order="F"), np.zeros(SHAPE, np.uint8, order="F")
    for k in range(SHAPE[2]):
        picture = np.where(((rows - 64) / 58) ** 2 + ((cols - 64) / 52) ** 2 < 1, 110.0, 0.0)
        count = int(rng.integers(1, 5))
        for number, spot in enumerate(rng.permutation(6)[: count + 1]):
            middle = np.array([34 + 58 * (spot // 3), 30 + 34 * (spot % 3)]) + rng.uniform(-5, 5, 2)
            radii = rng.uniform(5, 11, 2)
            inside = ((rows - middle[0]) / radii[0]) ** 2 + ((cols - middle[1]) / radii[1]) ** 2 < 1
            picture[inside] = 60.0 if number < count else 170.0
            truth[..., k][inside] = number < count
        array[..., k] = ndimage.gaussian_filter(picture, 1.0) + rng.normal(0, 6, SHAPE[:2])
    geometry = grid(SHAPE, (1, 1, 5))
    return AcceptedCase(Volume(array.astype(np.int16), geometry, "MR"), Mask(truth, geometry))


@pytest.fixture(scope="module")
def predictor(one_thread) -> Predictor:
    return Predictor(TinyBackbone.embedded(), EmbeddingCache())


@pytest.fixture(scope="module")
def taught() -> list[AcceptedCase]:
    return [lesions(seed) for seed in range(4)]


@pytest.fixture(scope="module")
def fewer_steps() -> Iterator[None]:
    """A third of the steps at a server: these lesions are easy."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(box_head, "STEPS", 120)
        yield


@pytest.fixture(scope="module")
def held_out(predictor: Predictor, fewer_steps) -> list[tuple[LabelSearch, AcceptedCase]]:
    cases = [lesions(seed) for seed in (101, 102)]
    memo = LabelSearch(predictor, cases[0].volume, 2, range(4), ("lesion",)).memo
    return [(LabelSearch(predictor, case.volume, 2, range(4), ("lesion",), memo=memo), case) for case in cases]


def test_boxes_and_their_number_on_held_out_patients(held_out, taught: list[AcceptedCase], record_property) -> None:
    overlaps: list[float] = []
    found_count = true_count = 0
    for search, case in held_out:
        for index in search.slices:
            found = boxes_on(search, taught, index)
            parts, count = ndimage.label(search.view(index).extract(case.labels.array) > 0)
            found_count, true_count = found_count + len(found), true_count + count
            for rows, cols in ndimage.find_objects(parts):
                true = (cols.start, rows.start, cols.stop, rows.stop)
                overlaps.append(max((iou(one.box, true) for one in found), default=0.0))
    record_property("box_iou", float(np.mean(overlaps)))
    record_property("found_of", f"{found_count} of {true_count}")
    assert np.mean(overlaps) >= 0.5
    assert abs(found_count - true_count) <= 0.2 * true_count


def test_every_instance_is_drawn_and_their_number_told(held_out, taught: list[AcceptedCase]) -> None:
    for search, case in held_out:
        found = detect_labels(search, taught)
        assert dice(found.mask.array > 0, case.labels.array > 0) >= 0.75
        assert set(found.scores) == {"lesion"} and any("lesion: " in note for note in found.notes)


def test_a_case_teaches_nothing_about_itself(held_out) -> None:
    search, case = held_out[0]
    with pytest.raises(PromptError, match="another image of modality MR"):
        detect_labels(search, [case])
