import cv2
import numpy as np
import pytest

from sam_trainer.synthetic.appearance import MODALITIES, SHARES, Look, draw_look, render, smooth_noise
from sam_trainer.synthetic.layout import Layout, Node
from sam_trainer.synthetic.scene import MIN_OBJECT_PIXELS, Scene, draw_scene, paint, sample
from sam_trainer.synthetic.scene_layout import draw_layout

SIDE = 96


def square(low: float, high: float) -> np.ndarray:
    return np.array([[low, low], [high, low], [high, high], [low, high]])


def plain_look(labels: int, **changes: object) -> Look:
    levels = np.linspace(0, 1, labels, dtype=np.float32)[:, None].repeat(3, 1)
    values: dict[str, object] = {
        "modality": "plain",
        "levels": levels,
        "texture": np.zeros((labels, 2), np.float32),
        "grain": (0.1, 0.1),
        "sharpness": (0.0, 0.0),
        "noise": 0.0,
        "bias": 0.0,
        "pixel": 1.0,
        "seed": 0,
    }
    return Look(**{**values, **changes})  # type: ignore[arg-type]


def scene_of(layout: Layout, anchor: int = 0) -> Scene:
    return Scene(layout, plain_look(len(layout.nodes) + 1), anchor, (1.0, 1.0), 0.0, 0)


def test_same_seed_same_sample_and_another_index_another() -> None:
    first, again, other = sample(1, 7, SIDE, 3), sample(1, 7, SIDE, 3), sample(1, 8, SIDE, 3)
    assert (first.image == again.image).all() and (first.masks == again.masks).all()
    assert (first.image != other.image).any()


@pytest.mark.parametrize("side", [64, 96])
def test_samples_hold_images_and_whole_objects(side: int) -> None:
    for index in range(12):
        drawn = sample(2, index, side, 4)
        assert drawn.image.shape == (side, side, 3) and drawn.image.dtype == np.uint8
        assert drawn.masks.shape == (4, side, side)
        for mask in drawn.masks:
            assert set(np.unique(mask)) == {0, 1}
            assert mask.sum() >= MIN_OBJECT_PIXELS**2
            count, _ = cv2.connectedComponents(mask, connectivity=4)
            assert count == 2


def test_padding_is_black_and_holds_no_object() -> None:
    found = 0
    for index in range(40):
        rng = np.random.default_rng((3, index, 0))
        scene = draw_scene(rng)
        if min(scene.aspect) < 0.9:
            found += 1
            drawn = sample(3, index, SIDE, 2)
            rows, cols = (round(share * SIDE) for share in scene.aspect)
            if (drawn.image[rows:] == 0).all() and (drawn.image[:, cols:] == 0).all():
                assert not drawn.masks[:, rows:].any() and not drawn.masks[:, :, cols:].any()
    assert found > 3


def test_a_child_shows_only_inside_its_parent() -> None:
    layout = Layout()
    parent = layout.add(square(0.2, 0.6))
    layout.add(square(0.4, 0.9), parent=parent)
    labels = paint(scene_of(layout), 100)
    assert labels[30, 30] == 1
    assert labels[50, 50] == 2
    assert labels[70, 70] == 0


def test_later_shapes_cover_earlier_ones_and_a_node_has_several_parts() -> None:
    layout = Layout()
    layout.add(square(0.1, 0.3), square(0.7, 0.9))
    layout.add(square(0.2, 0.4))
    labels = paint(scene_of(layout), 100)
    assert labels[15, 15] == labels[80, 80] == 1
    assert labels[25, 25] == 2


def test_family_is_the_node_and_everything_in_it() -> None:
    layout = Layout()
    outer = layout.add(square(0.1, 0.9))
    inner = layout.add(square(0.2, 0.8), parent=outer)
    layout.add(square(0.0, 0.1))
    core = layout.add(square(0.3, 0.7), parent=inner)
    assert layout.family(outer) == [outer, inner, core]
    assert layout.family(core) == [core]


def test_layouts_vary_and_stay_within_bytes() -> None:
    kinds = set()
    for seed in range(120):
        layout = draw_layout(np.random.default_rng(seed))
        kinds.add(layout.kind)
        assert 0 < len(layout.nodes) < 255
        assert all(node.parent < i for i, node in enumerate(layout.nodes))
    assert kinds == set(SHARES)


def test_regions_keep_their_order_of_grey() -> None:
    labels = np.zeros((128, 128), np.uint8)
    labels[32:96, 32:96] = 1
    labels[48:80, 48:80] = 2
    means = []
    for seed in range(5):
        image = render(labels, plain_look(3, seed=seed), 64).astype(float)
        means.append([image[4, 4, 0], image[20, 20, 0], image[32, 32, 0]])
    rising = [a < b < c or a > b > c for a, b, c in means]
    assert all(rising)


@pytest.mark.parametrize("modality", MODALITIES)
def test_every_modality_renders(modality: str) -> None:
    labels = np.zeros((128, 128), np.uint8)
    labels[32:96, 32:96] = 1
    look = plain_look(2, modality=modality, noise=0.05, bias=0.3, pixel=3.0, sharpness=(0.004, 0.01))
    image = render(labels, look, 64)
    assert image.shape == (64, 64, 3) and image.std() > 1
    assert (image == render(labels, look, 64)).all()


def test_shares_of_modalities_are_complete() -> None:
    for shares in SHARES.values():
        assert len(shares) == len(MODALITIES)
        assert sum(shares) == pytest.approx(1)


def test_levels_stay_in_range() -> None:
    for seed in range(30):
        look = draw_look(np.random.default_rng(seed), [Node([], parent) for parent in (-1, 0, 1, 0, -1)], "trunk")
        assert look.levels.shape == (6, 3)
        assert look.levels.min() >= 0 and look.levels.max() <= 1


def test_a_bite_of_the_surroundings_cannot_be_told_from_them() -> None:
    nodes = [Node([]), Node([], 0), Node([], 1, alike=0), Node([], 1, alike=-1)]
    for seed in range(30):
        look = draw_look(np.random.default_rng(seed), nodes, "nested")
        for bite, outside in ((3, 1), (4, 0)):
            np.testing.assert_array_equal(look.levels[bite], look.levels[outside])
            np.testing.assert_array_equal(look.texture[bite], look.texture[outside])


def test_smooth_noise_is_smoother_at_longer_wavelengths() -> None:
    fine, coarse = (smooth_noise(np.random.default_rng(0), 64, w) for w in (0.05, 0.5))
    assert np.abs(np.diff(fine, axis=0)).mean() > 3 * np.abs(np.diff(coarse, axis=0)).mean()
