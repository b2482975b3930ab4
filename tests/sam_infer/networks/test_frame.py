import numpy as np
import pytest
from segment_anything.utils.transforms import ResizeLongestSide

from sam_infer.networks.frame import Crop, Frame, fit_longest, fit_square, resize_pixels, whole


@pytest.mark.parametrize("shape", [(512, 512), (301, 417), (640, 123)])
def test_sam_convention_equals_segment_anything(shape: tuple[int, int]) -> None:
    frame = fit_longest(whole(*shape), (1, 1), 1024, "sam")
    reference = ResizeLongestSide(1024)
    points = np.array([[0.0, 0.0], [100.0, 50.0], [shape[0] - 1.0, shape[1] - 1.0]])
    assert np.allclose(frame.points_to_model(points), reference.apply_coords(points[:, ::-1], shape), atol=1e-4)
    picture = np.random.default_rng(0).integers(0, 255, (*shape, 3), dtype=np.uint8)
    assert np.array_equal(resize_pixels(picture, frame), reference.apply_image(picture))


def test_centre_convention_puts_pixel_centres_and_edges_right() -> None:
    frame = fit_longest(Crop(10, 20, 64, 64), (1, 1), 256, "centre")
    # pixel (10, 20) is the first of the crop: it covers model pixels 0..3, its centre lies at 1.5
    assert frame.points_to_model(np.array([[10.0, 20.0]])).tolist() == [[1.5, 1.5]]
    assert frame.box_to_model(np.array([10.0, 20.0]), np.array([10.0, 20.0])).tolist() == [-0.5, -0.5, 3.5, 3.5]


def test_anatomy_keeps_its_shape_on_unequal_pixels() -> None:
    frame = fit_longest(whole(24, 160), (5.0, 1.0), 256, "centre")
    assert (frame.input_height, frame.input_width) == (192, 256)


def test_square_fit_stretches() -> None:
    frame = fit_square(whole(10, 20), 1024, "sam")
    assert (frame.input_height, frame.input_width, frame.scale_yx) == (1024, 1024, (102.4, 51.2))


@pytest.mark.parametrize("crop", [Crop(0, 0, 6, 8), Crop(2, 3, 3, 4), Crop(-2, -1, 5, 5), Crop(4, 5, 6, 6)])
def test_cut_and_paste_agree(crop: Crop) -> None:
    picture = np.arange(48, dtype=np.float32).reshape(6, 8) + 1
    frame = Frame(crop, 10, 10, 10)
    cut = frame.cut(picture)
    assert cut.shape == (crop.height, crop.width)
    pasted = frame.paste(cut, (6, 8), -1.0)
    inside = np.zeros((6, 8), bool)
    inside[max(crop.row, 0) : crop.row + crop.height, max(crop.col, 0) : crop.col + crop.width] = True
    assert np.array_equal(pasted[inside], picture[inside]) and (pasted[~inside] == -1).all()
