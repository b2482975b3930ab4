import cv2
import numpy as np

from sam_trainer.synthetic.fine_kinds import cells, texture, vessel_trees
from sam_trainer.synthetic.layout import MAX_NODES, Layout
from sam_trainer.synthetic.scene import lookup, paint
from tests.sam_trainer.synthetic.test_scene import scene_of


def test_vessels_are_one_thin_object() -> None:
    layout = Layout()
    vessel_trees(np.random.default_rng(1), layout)
    (tree,) = layout.targets
    assert tree == len(layout.nodes) - 1
    mask = lookup([tree])[paint(scene_of(layout), 256)].astype(np.uint8)
    assert mask.any()
    assert cv2.distanceTransform(mask, cv2.DIST_L2, 5).max() < 10


def test_cells_are_many_apart_and_few_enough_for_bytes() -> None:
    for seed in range(6):
        layout = Layout()
        cells(np.random.default_rng(seed), layout)
        assert 8 < len(layout.targets) and len(layout.nodes) <= MAX_NODES
        assert len(np.unique(paint(scene_of(layout), 128))) > 8


def test_textures_differ_more_than_brightness() -> None:
    layout = Layout()
    texture(np.random.default_rng(0), layout)
    for target in layout.targets:
        assert layout.nodes[target].contrast < 0.4 and layout.nodes[target].rough is not None
