import numpy as np
import pytest

from sam_infer.errors import PromptError
from sam_infer.imaging.volume import Volume
from sam_infer.imaging.window import CT_PRESETS, choose_window, depends_on_all
from sam_trainer.synthetic.patients import grid

TISSUES = {"lung": -800, "fat": -100, "soft": 40, "bone": 700}

# Which neighbouring tissues a preset is made to tell apart.
SHOWS = {
    "soft_tissue": [("lung", "fat"), ("fat", "soft")],
    "abdomen": [("fat", "soft"), ("lung", "fat")],
    "mediastinum": [("lung", "fat"), ("fat", "soft")],
    "lung": [("lung", "fat"), ("fat", "soft")],
    "bone": [("fat", "soft"), ("soft", "bone"), ("lung", "fat")],
    "brain": [("fat", "soft")],
    "wide": [("lung", "fat"), ("fat", "soft"), ("soft", "bone")],
}


def ct(values: list[int]) -> Volume:
    return Volume(np.array(values, np.int16).reshape(-1, 1, 1), grid((len(values), 1, 1), (1, 1, 1)), "CT")


@pytest.mark.parametrize("preset", sorted(CT_PRESETS))
def test_tissues_stay_separable_in_the_model_input(preset: str) -> None:
    window = choose_window(ct([-1000, 1000]), preset)
    grey = {name: int(window.apply(np.array([hu]))[0]) for name, hu in TISSUES.items()}
    for darker, brighter in SHOWS[preset]:
        assert grey[brighter] - grey[darker] >= 8, (preset, grey)


@pytest.mark.parametrize(
    ("target", "name"), [(-800, "lung"), (-100, "soft_tissue"), (40, "soft_tissue"), (700, "bone")]
)
def test_auto_shows_what_the_reader_points_at(target: float, name: str) -> None:
    assert choose_window(ct([-1000, 1000]), "auto", target).name == name


def test_soft_tissue_is_mapped_by_hand() -> None:
    window = choose_window(ct([-1000, 1000]), "soft_tissue")
    assert window.apply(np.array([-160, 40, 240, -3000, 3000])).tolist() == [0, 128, 255, 0, 255]


def test_other_modalities_go_by_percentiles_and_keep_zero_black() -> None:
    rng = np.random.default_rng(0)
    array = rng.uniform(100, 1100, (50, 50, 10))
    array[:20] = 0
    volume = Volume(array, grid((50, 50, 10), (1, 1, 1)), "MR")
    window = choose_window(volume)
    assert 90 < window.low < 115 and 1085 < window.high < 1100
    assert window.apply(np.array([0.0]))[0] == 0


def test_file_window_is_used_when_asked_for() -> None:
    volume = Volume(np.zeros((2, 2, 1), np.int16), grid((2, 2, 1), (1, 1, 1)), "CT", file_window=(-50.0, 150.0))
    assert (choose_window(volume, "file").low, choose_window(volume, "file").high) == (-50.0, 150.0)


def test_colour_is_left_alone() -> None:
    picture = np.arange(48, dtype=np.uint8).reshape(4, 4, 1, 3)
    volume = Volume(picture, grid((4, 4, 1), (1, 1, 1)), "RGB")
    assert np.array_equal(choose_window(volume).apply(picture), picture)


def test_unknown_window_is_refused() -> None:
    with pytest.raises(PromptError, match="window must be one of"):
        choose_window(ct([0, 1]), "liver-ish")


@pytest.mark.parametrize(
    ("modality", "wish", "all_of_it"),
    [
        ("CT", "auto", False),
        ("OTHER", "auto", True),
        ("OTHER", "bone", False),
        ("CT", "percentile", True),
        ("CT", "full", True),
    ],
)
def test_which_windows_are_known_before_all_slices_are(modality: str, wish: str, all_of_it: bool) -> None:
    """Those that stay what they are when another slice changes."""
    array = np.zeros((4, 4, 3), np.int16)
    array[1, 1, 0] = -1000 if modality == "CT" else 5
    bright = array.copy()
    bright[:, :, 2] = 3000
    shown = [Volume(one, grid((4, 4, 3), (1, 1, 1)), modality) for one in (array, bright)]
    assert depends_on_all(shown[0], wish) is all_of_it
    same = choose_window(shown[0], wish, 10.0) == choose_window(shown[1], wish, 10.0)
    assert same is not all_of_it
