import numpy as np

from sam_infer.automatic.match_prior import gallery, match
from sam_infer.automatic.propose import Proposal, propose
from sam_infer.imaging.volume import Volume
from sam_infer.prompts.object_prompts import Prompts
from sam_infer.slices.embedding_cache import EmbeddingCache
from sam_infer.slices.predictor import Options, Prediction, Predictor
from sam_trainer.measures.overlap import dice
from sam_trainer.synthetic.patients import grid


def disk(row: int, col: int, radius: int) -> np.ndarray:
    rows, cols = np.mgrid[:64, :64]
    return np.hypot(rows - row, cols - col) < radius


def test_each_label_gets_the_mask_that_fits_its_prior_whatever_its_quality() -> None:
    shown = [Proposal(disk(20, 20, 10), 0.4), Proposal(disk(45, 45, 12), 0.9), Proposal(disk(20, 20, 4), 0.95)]
    priors = {"second": disk(44, 46, 12), "first": disk(21, 20, 9)}
    found = match(shown, priors)
    assert list(found) == ["second", "first"]
    assert np.array_equal(found["first"].pixels, shown[0].pixels) and found["first"].overlap > 0.7
    assert np.array_equal(found["second"].pixels, shown[1].pixels)


def test_no_mask_and_no_pixel_is_given_away_twice() -> None:
    shown = [Proposal(disk(30, 30, 12), 0.9), Proposal(disk(30, 38, 12), 0.8)]
    found = match(shown, {"a": disk(30, 30, 12), "b": disk(30, 32, 12)})
    assert set(found) == {"a", "b"} and not (found["a"].pixels & found["b"].pixels).any()


def test_what_fits_nothing_is_not_proposed() -> None:
    shown = [Proposal(disk(10, 10, 6), 0.9)]
    assert match(shown, {"far": disk(50, 50, 6), "none": np.zeros((64, 64), bool)}) == {}
    assert match([], {"far": disk(50, 50, 6)}) == {}


def test_matching_to_a_prior_beats_the_plain_mode_on_two_equal_objects(network) -> None:
    """The plain mode names regions in the order of their quality: of two alike it cannot know which is which."""
    array = np.zeros((96, 96, 3), np.int16)
    array[12:24, 12:24], array[60:72, 60:72] = 200, 210
    volume = Volume(array, grid((96, 96, 3), (1, 1, 3)), "CT")
    view, predictor = volume.view(2, 1), Predictor(network, EmbeddingCache())
    truth = {"first": view.extract(array) == 200, "second": view.extract(array) == 210}
    priors = {name: np.roll(mask, 3, axis=0) for name, mask in truth.items()}

    def predict(prompts: Prompts) -> Prediction:
        return predictor.predict(volume, prompts, 1, Options(candidate=1, zoom=None))

    plain = [proposal.pixels for proposal in propose(volume, view, 2, predict)]
    plain += [np.zeros((96, 96), bool)] * (2 - len(plain))
    orders = (truth.values(), reversed(list(truth.values())))
    worst = min(np.mean([dice(p, t) for p, t in zip(plain, order, strict=True)]) for order in orders)
    found = match(gallery(volume, view, predict), priors)
    matched = np.mean([dice(found[name].pixels, mask) if name in found else 0.0 for name, mask in truth.items()])
    assert matched >= worst + 0.2
