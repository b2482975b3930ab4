"""Where an object tapers off, told from the areas of the slices that were prompted."""

from sam_infer.propagation.limit import tapered

# Sections of an ellipsoid that ends 2.4 slices beyond the outer ones.
BALL = {k: round(10000 * (1 - ((k - 20) / 10.4) ** 2)) for k in (12, 20, 28)}


def test_an_object_reaches_little_further_than_its_outlines_taper_off() -> None:
    assert tapered(BALL, BALL, 0, 60) == (9, 31)
    assert tapered(BALL, BALL, 11, 29) == (11, 29)


def test_a_tube_and_two_outlines_say_nothing_about_an_end() -> None:
    assert tapered({12: 500, 20: 510, 28: 500}, (12, 20, 28), 0, 60) == (0, 60)
    assert tapered({12: 500, 20: 300, 28: 500}, (12, 20, 28), 0, 60) == (0, 60)
    assert tapered({12: BALL[12], 20: 0, 28: BALL[28]}, (12, 20, 28), 0, 60) == (0, 60)


def test_where_a_reader_points_further_out_nothing_is_concluded() -> None:
    assert tapered(BALL, (*BALL, 33), 0, 60) == (9, 60)
