import numpy as np

from sam_trainer.lessons.prompt_batch import BatchShape, draw_batch, taught_coverage


def test_thin_objects_are_taught_thicker_and_others_as_they_are() -> None:
    masks = np.zeros((3, 256, 256), np.uint8)
    masks[0, 60:62, 10:240] = 1  # a vessel two pixels wide
    masks[1, 50:120, 60:150] = 1
    masks[2, 50:57, 60:68] = 1  # small, not thin
    taught = taught_coverage(masks)
    thin = taught[0][taught[0] > 0]
    assert float(thin.median()) > 0.5 and float(taught.max()) <= 1.0
    for n in (1, 2):
        assert float(taught[n].sum()) == masks[n].sum() / 16


def test_the_same_number_is_the_same_batch() -> None:
    shape = BatchShape(64, 2, 2)
    first, again = draw_batch(4, 1, shape), draw_batch(4, 1, shape)
    assert (first.images == again.images).all() and (first.coverage == again.coverage).all()
    assert first.coverage.shape == (4, 16, 16)
