from collections.abc import Callable

import numpy as np
import pytest

from sam_trainer.synthetic.layout import Layout
from sam_trainer.synthetic.round_kinds import faint, optic, ventricle
from sam_trainer.synthetic.scene import lookup, paint
from tests.sam_trainer.synthetic.test_scene import scene_of


@pytest.mark.parametrize("kind", [ventricle, optic, faint])
def test_what_the_scene_is_about_is_round_and_whole(kind: Callable[[np.random.Generator, Layout], object]) -> None:
    """Muscles, vessels and cores lie in the object and belong to it."""
    for seed in range(8):
        layout = Layout()
        kind(np.random.default_rng(seed), layout)
        labels = paint(scene_of(layout), 128)
        for target in set(layout.targets):
            outline = layout.nodes[target].parts[0]
            inside = lookup(layout.family(target))[labels]
            middle = (outline.mean(axis=0) * 128).astype(int)
            if (outline.min(0) < 0.02).any() or (outline.max(0) > 0.98).any():
                continue
            box = np.ptp(outline, axis=0) * 128
            assert inside.sum() > 0.6 * np.pi / 4 * box.prod()
            assert inside[middle[1], middle[0]]


def test_a_disc_keeps_the_vessels_that_cross_it() -> None:
    """They were painted before the disc knew them, and every disc and cup had notches."""
    layout = Layout()
    optic(np.random.default_rng(3), layout)
    disc, cup = layout.targets[:2]
    crossing = [i for i, node in enumerate(layout.nodes) if node.alike is not None]
    assert {layout.nodes[i].parent for i in crossing} == {disc, cup}
    assert set(crossing) <= set(layout.family(disc))
