"""SAM 2.1 tiny whole, at seeded random weights: the package's own numbers; and bounded memory on long volumes."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import torch

from sam_infer.networks.backbone import Hints
from tests.sam_infer.conftest import seeded

pytest.importorskip("sam2")

from sam_infer.networks.sam2.architecture import SHAPES
from tests.reference.sam2_package import encoded_once, image_predictor
from tests.sam_infer.networks.sam2.test_memory import NO_POINTS, Pair

pytestmark = [pytest.mark.accept, pytest.mark.timeout(3600)]

FRAMES = 6
BOX = np.array([200.0, 300.0, 700.0, 800.0], np.float32)
POINT = np.array([[480.0, 560.0]], np.float32)
BOXED, POINTED = Hints(NO_POINTS, np.zeros(0, np.int64), BOX), Hints(POINT, np.ones(1, np.int64))
MIXED = Hints(np.concatenate([POINT, POINT / 3]), np.array([1, 0]), BOX)


@pytest.fixture(scope="module")
def pair() -> Pair:
    torch.set_num_threads(2)
    return Pair(seeded, SHAPES["sam2.1_hiera_tiny"], (), FRAMES)


@pytest.mark.parametrize("hints", [BOXED, POINTED, MIXED], ids=["box", "point", "points and box"])
def test_an_image_is_answered_as_by_the_image_predictor(pair: Pair, hints: Hints) -> None:
    theirs = image_predictor(pair.theirs.state_dict())
    theirs.set_image(pair.frames[0])
    several = hints.is_ambiguous
    points, labels = (hints.points_xy, hints.labels) if len(hints.labels) else (None, None)
    _, scores, logits = theirs.predict(points, labels, box=hints.box_xyxy, multimask_output=several)
    ours = pair.ours.decode(pair.features[0], hints)
    mine = slice(0, 3) if several else slice(3, 4)
    np.testing.assert_allclose(ours.logits[mine].clip(-32, 32), logits, atol=1e-4)
    np.testing.assert_allclose(ours.scores[mine], scores, atol=1e-4)
    assert logits.std() > 0.1


def test_prompt_forward_reset_prompt_reverse(pair: Pair) -> None:
    with encoded_once(pair.theirs):
        pair.compare(pair.follow(pair.told({2: BOXED}), range(2, FRAMES)), 2, reverse=False)
        pair.compare(pair.follow(pair.told({2: BOXED}), range(2, -1, -1)), 2, reverse=True)


def test_several_prompted_slices(pair: Pair) -> None:
    with encoded_once(pair.theirs):
        prompts = {1: MIXED, 4: POINTED}
        pair.compare(pair.follow(pair.told(prompts), range(1, FRAMES)), 1, reverse=False)


# A program of its own, so that its peak is its own: a small network, its slices of 256 pixels.
FOLLOWED = """
import resource, sys
import numpy as np, torch
from sam_infer.imaging.volume import Volume
from sam_infer.networks.sam2.architecture import HieraShape, build, with_weights
from sam_infer.networks.sam2.backbone import Sam2Backbone
from sam_infer.prompts.object_prompts import Box, Prompts
from sam_infer.propagation.end_rule import EndPolicy
from sam_infer.propagation.engine import segment_object
from sam_infer.propagation.options import VolumeOptions
from sam_infer.slices.embedding_cache import EmbeddingCache
from sam_infer.slices.predictor import Predictor
from sam_trainer.synthetic.patients import grid
from tests.sam_infer.conftest import seeded

torch.set_num_threads(2)
depth = int(sys.argv[1])
network = build(HieraShape(16, 1, (1, 1, 2, 1), (3,), input_size=256))
state = seeded(network.state_dict())
state["sam_mask_decoder.pred_obj_score_head.layers.2.bias"] += 10
geometry = grid((256, 256, depth), (1, 1, 1))
volume = Volume(np.zeros(geometry.shape, np.int16), geometry, "CT")
volume.array[80:170, 80:170] = 200
predictor = Predictor(Sam2Backbone("small", with_weights(network, state)), EmbeddingCache(64 << 20))
never = EndPolicy(pixels=-1).between()
box = Box.of([80, 80, depth // 2], [169, 169, depth // 2])
found = segment_object(predictor, volume, Prompts(box=box), VolumeOptions(engine="sam2", end=never))
print(len(found.answers), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def test_memory_does_not_grow_with_the_volume() -> None:
    peaks = {}
    for depth in (100, 400):
        done = subprocess.run([sys.executable, "-c", FOLLOWED, str(depth)], capture_output=True, text=True, check=True)
        slices, peaks[depth] = map(int, done.stdout.split())
        assert slices == depth
    assert peaks[400] < 1.5 * peaks[100], peaks
