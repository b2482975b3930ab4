"""What a learner sees of a slice, and where its answer goes."""

from __future__ import annotations

import numpy as np

from sam_trainer.online.crop import SIDE, SUREST, cut


def test_the_square_lies_around_the_answer_and_comes_back_to_its_place() -> None:
    logits = np.full((50, 70), -9.0, np.float32)
    logits[0:20, 30:40] = 9.0  # at the edge of the slice: the square reaches beyond it
    shown = np.arange(50 * 70, dtype=np.uint8).reshape(50, 70)
    seen = cut(shown, logits)
    assert seen is not None and seen.picture.shape == (SIDE, SIDE, 3) and np.abs(seen.logits).max() <= SUREST
    assert seen.truth(logits > 0).mean() == (seen.logits > 0).mean()
    back = seen.paste(np.full((SIDE, SIDE), 1.0, np.float32), logits)
    changed = back != logits
    rows, cols = np.flatnonzero(changed.any(axis=1)), np.flatnonzero(changed.any(axis=0))
    assert (rows[0], rows[-1]) == (0, 25) and (cols[0], cols[-1]) == (19, 50)
    again = seen.paste(seen.logits, logits)
    assert ((again > 0) == (logits > 0)).mean() > 0.99


def test_of_next_to_nothing_there_is_nothing_to_learn() -> None:
    logits = np.full((20, 20), -1.0, np.float32)
    logits[3:6, 3:6] = 1.0
    assert cut(np.zeros((20, 20), np.uint8), logits) is None


def test_colours_stay() -> None:
    shown = np.zeros((30, 30, 3), np.uint8)
    shown[..., 1] = 200
    logits = np.full((30, 30), 1.0, np.float32)
    seen = cut(shown, logits)
    assert seen is not None and seen.picture[SIDE // 2, SIDE // 2].tolist() == [0, 200, 0]
