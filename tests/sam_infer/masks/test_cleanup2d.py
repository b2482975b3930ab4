import numpy as np

from sam_infer.masks.cleanup2d import fill_holes, largest_component, stability


def picture(*rows: str) -> np.ndarray:
    return np.array([[c == "#" for c in row] for row in rows])


def test_only_the_largest_part_and_the_clicked_parts_stay() -> None:
    mask = picture("##..#", "##...", "....#", "#....")
    assert largest_component(mask).sum() == 4
    assert largest_component(mask, np.array([[0, 4]])).sum() == 5
    assert largest_component(mask, np.array([[1, 3]])).sum() == 4  # a click on nothing keeps nothing


def test_holes_are_filled_unless_the_reader_clicked_them_away() -> None:
    mask = picture("#####", "#.#.#", "#####")
    assert fill_holes(mask).all()
    assert fill_holes(mask, np.array([[1, 1]])).tolist() == picture("#####", "#.###", "#####").tolist()


def test_stability_by_hand() -> None:
    assert stability(np.array([[2.0, 0.5, -0.5, -2.0]], np.float32)) == 1 / 3
    assert stability(np.full((2, 2), -9.0, np.float32)) == 0.0
