import numpy as np

from sam_infer.networks.frame import fit_longest, whole
from sam_infer.propagation.slice_result import Part
from sam_infer.propagation.step import denied, undisputed


def disc(row: int, col: int, radius: int) -> np.ndarray:
    rows, cols = np.mgrid[:64, :64]
    return (rows - row) ** 2 + (cols - col) ** 2 <= radius**2


def at(*places: tuple[float, float]) -> np.ndarray:
    return np.array(places, np.float64).reshape(-1, 2)


def test_a_click_in_the_middle_denies_a_mask_and_one_near_its_edge_does_not() -> None:
    mask = disc(32, 32, 10)
    assert denied(mask, at((32, 32))) and denied(mask, at((33, 32)))
    assert not denied(mask, at((32, 25))) and not denied(mask, at((5, 5)))


def test_a_mask_is_not_denied_while_another_piece_of_it_is_left() -> None:
    two = disc(16, 16, 9) | disc(46, 46, 9)
    assert not denied(two, at((16, 16))) and denied(two, at((16, 16), (46, 46)))


def test_what_is_undisputed_lies_inside_and_away_from_the_clicks() -> None:
    mask = disc(32, 20, 9) | disc(32, 40, 9) | disc(32, 30, 6)
    row, col = undisputed(mask, at((32, 20)))[0].astype(int)
    assert mask[row, col] and col > 32


def test_an_expected_iou_is_high_where_the_logits_are_sure() -> None:
    frame = fit_longest(whole(8, 8), (1.0, 1.0), 8, "centre")
    mask = np.where(disc(4, 4, 3)[:8, :8], 1.0, -1.0).astype(np.float32)
    assert Part(frame, 9 * mask).expected_iou > 0.99 and Part(frame, 0.4 * mask).expected_iou < 0.5
    assert Part(frame, np.full((8, 8), -9.0, np.float32)).expected_iou < 0.01


def test_a_doubt_takes_away_and_does_not_add() -> None:
    frame = fit_longest(whole(8, 8), (1.0, 1.0), 8, "centre")
    part, other = Part(frame, np.full((8, 8), 1.0, np.float32)), np.full((8, 8), 5.0, np.float32)
    other[:4] = -5.0
    found = part.doubted(other, 0.4).logits
    np.testing.assert_allclose(found[:2], 1.0 - 0.4 * 6.0, atol=1e-5)
    np.testing.assert_allclose(found[6:], 1.0, atol=1e-5)
