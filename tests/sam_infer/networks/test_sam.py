"""Our SAM answers what `segment_anything.SamPredictor` answers, number for number."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
import torch
from segment_anything import SamPredictor, sam_model_registry
from skimage import data, transform
from torch import nn

from sam_infer.errors import ModelError
from sam_infer.models.load import load_backbone
from sam_infer.networks.backbone import Features, Hints, upscale_logits
from sam_infer.networks.frame import Frame, resize_pixels, whole
from sam_infer.networks.sam import SamBackbone
from sam_infer.networks.sam_vit import VIT_SHAPES, VitShape, build_vit, with_weights
from sam_infer.weights.checkpoint import read_checkpoint
from sam_infer.weights.store import ModelStore, StoredModel

State = dict[str, torch.Tensor]
Seeded = Callable[..., State]

HEIGHT, WIDTH = 170, 260
TOLERANCE = 1e-4

# Rows and columns as a reader clicks them, and which are foreground.
CLICKS = np.array([[80.0, 130.0], [20.0, 200.0], [150.0, 30.0]])
LABELS = np.array([1, 1, 0])
BOX = np.array([[30.0, 60.0], [140.0, 220.0]])  # inclusive corners, row and column

SMALL = replace(VIT_SHAPES["vit_b"], depth=2, global_blocks=(1,), input_size=256)


def picture() -> np.ndarray:
    """A colour picture (170, 260, 3) with edges and texture."""
    return np.ascontiguousarray(data.astronaut()[60 : 60 + HEIGHT, 100 : 100 + WIDTH])


@dataclass
class Pair:
    """The official predictor and our backbone, after both saw the same picture."""

    official: SamPredictor
    ours: SamBackbone
    frame: Frame
    features: Features

    @classmethod
    def of(cls, official_model: Any, ours: SamBackbone) -> Pair:
        official = SamPredictor(official_model.eval())
        official.set_image(picture())
        frame = ours.frame(whole(HEIGHT, WIDTH), (1.0, 1.0))
        return cls(official, ours, frame, ours.encode(resize_pixels(picture(), frame)[None]))

    def hints(self, clicks: int, box: bool, mask: np.ndarray | None) -> Hints:
        return Hints(
            self.frame.points_to_model(CLICKS[:clicks]),
            LABELS[:clicks],
            self.frame.box_to_model(*BOX) if box else None,
            mask,
        )

    def ask(self, clicks: int, box: bool, mask: np.ndarray | None, multimask: bool) -> tuple[np.ndarray, ...]:
        """The official full-size logits, scores and low-resolution logits."""
        return self.official.predict(
            point_coords=CLICKS[:clicks, ::-1] if clicks else None,
            point_labels=LABELS[:clicks] if clicks else None,
            box=BOX[:, ::-1].reshape(4) if box else None,
            mask_input=mask[None] if mask is not None else None,
            multimask_output=multimask,
            return_logits=True,
        )


CASES = {
    "one point": (1, False),
    "points": (3, False),
    "box": (0, True),
    "points and box": (3, True),
}


def assert_parity(pair: Pair, cases: tuple[str, ...] = tuple(CASES)) -> None:
    """Low-resolution and full-size logits and scores agree for points, box, both, each also with a mask prompt."""
    for clicks, box in map(CASES.__getitem__, cases):
        _, _, previous = pair.ask(clicks, box, None, multimask=True)
        assert previous.std() > 0.1  # weights that answer nothing would agree about nothing
        for mask in (None, previous[1]):
            assert_same_answers(pair, clicks, box, mask)
    assert_same_answers(pair, 0, False, previous[0])


def assert_same_answers(pair: Pair, clicks: int, box: bool, mask: np.ndarray | None) -> None:
    ours = pair.ours.decode(pair.features, pair.hints(clicks, box, mask))
    full = upscale_logits(ours.logits, pair.frame)
    for multimask, which in ((True, slice(0, 3)), (False, slice(3, 4))):
        official_full, official_scores, official_low = pair.ask(clicks, box, mask, multimask)
        assert np.abs(ours.logits[which] - official_low).max() < TOLERANCE
        assert np.abs(full[which] - official_full).max() < TOLERANCE
        assert np.abs(ours.scores[which] - official_scores).max() < TOLERANCE
    alone = clicks == 1 and not box and mask is None
    assert ours.preferred == (int(ours.scores[:3].argmax()) if alone else 3)


def official(shape: VitShape) -> Any:
    """What the official builder makes of these numbers."""
    builder = import_module("segment_anything.build_sam")._build_sam
    return builder(shape.width, shape.depth, shape.heads, list(shape.global_blocks))


def through_a_file(model: Any, seeded_weights: Seeded, file: Path) -> Path:
    """Give an official network seeded weights and save it as the official files are saved."""
    model.load_state_dict(seeded_weights(model.state_dict()))
    torch.save(model.state_dict(), file)
    return file


@pytest.fixture(scope="module")
def small(seeded_weights: Seeded) -> Pair:
    """ViT-B's width on a quarter of its input, two blocks deep: quick, and every kind of layer is in it."""
    weights = seeded_weights(build_vit(SMALL).state_dict())
    return Pair.of(
        with_weights(build_vit(SMALL), weights), SamBackbone("small", with_weights(build_vit(SMALL), weights))
    )


@dataclass
class VitB:
    """The official ViT-B with seeded weights, and what our store makes of its file."""

    model: Any
    stored: StoredModel
    ours: SamBackbone


@pytest.fixture(scope="module")
def vit_b(seeded_weights: Seeded) -> VitB:
    model = sam_model_registry["vit_b"]()
    with TemporaryDirectory() as folder:  # 750 MB that pytest would keep
        home = Path(folder)
        stored = ModelStore(home).add(through_a_file(model, seeded_weights, home / "sam_vit_b_random.pth"))
        ours = load_backbone("vit_b", home)
        assert isinstance(ours, SamBackbone)
        return VitB(model, stored, ours)


def arrangement(network: nn.Module) -> list[tuple[Any, ...]]:
    """What neither tensors nor names of modules tell."""
    encoder = network.image_encoder
    blocks = [(block.window_size, block.attn.num_heads, block.attn.scale) for block in encoder.blocks]
    return [(encoder.img_size, network.mask_threshold, network.image_format), *blocks]


def test_parity_at_a_small_size(small: Pair) -> None:
    assert_parity(small)


@pytest.mark.slow
def test_vit_b_whole_comes_out_of_the_store_as_the_official_network(seeded_weights: Seeded, vit_b: VitB) -> None:
    """The same tensors in the same arrangement; what such a network computes is compared at a small size and depth."""
    assert (vit_b.stored.name, vit_b.stored.parameters, vit_b.stored.published) == ("vit_b", 93_735_472, False)
    assert vit_b.ours.weights_id == vit_b.stored.weights_id
    theirs, network = vit_b.model.state_dict(), vit_b.ours._sam
    assert network.state_dict().keys() == theirs.keys()
    assert all(torch.equal(value, theirs[name]) for name, value in network.state_dict().items())
    assert str(network) == str(vit_b.model) and arrangement(network) == arrangement(vit_b.model)


@pytest.mark.accept
def test_parity_of_vit_b_whole_through_the_store(vit_b: VitB) -> None:
    assert_parity(Pair.of(vit_b.model, vit_b.ours))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["vit_b", "vit_l", "vit_h"])
@pytest.mark.parametrize("depth", [1, pytest.param(2, marks=pytest.mark.accept)])
def test_parity_shrunk_in_depth(name: str, depth: int, seeded_weights: Seeded) -> None:
    """One block that looks through windows, and in the long form one that attends to everything: ten times the time."""
    shape = replace(VIT_SHAPES[name], depth=depth, global_blocks=(1,))
    model = official(shape)
    with TemporaryDirectory() as folder:
        checkpoint = read_checkpoint(through_a_file(model, seeded_weights, Path(folder) / "shrunk.pth"))
        ours = SamBackbone(name, with_weights(build_vit(shape), checkpoint.tensors))
        assert_parity(Pair.of(model, ours), tuple(CASES) if depth > 1 else ("points and box",))


@pytest.mark.parametrize("shape", [(90, 120), (700, 600)])
def test_medsam_sees_the_published_preprocessing(shape: tuple[int, int]) -> None:
    """The steps of the published inference script: cubic resize to a square, then 0..1 between the extremes."""
    picture_given = golden(*shape)
    resized = transform.resize(picture_given, (256, 256), order=3, preserve_range=True, anti_aliasing=True)
    resized = resized.astype(np.uint8)
    published = (resized - resized.min()) / np.clip(resized.max() - resized.min(), a_min=1e-8, a_max=None)
    backbone, seen = recording("medsam", 256)
    frame = backbone.frame(whole(*shape), (1.0, 1.0))
    backbone.encode(resize_pixels(picture_given, frame)[None])
    assert seen[0].shape == (1, 3, 256, 256)
    assert np.abs(seen[0][0].numpy() - published.transpose(2, 0, 1)).max() < 1e-6


def test_medsam_stretches_to_a_square_and_to_the_whole_range() -> None:
    backbone, seen = recording("medsam", 1024)
    frame = backbone.frame(whole(90, 120), (1.0, 3.0))
    assert (frame.input_height, frame.input_width) == (1024, 1024)
    # the published script scales a box corner by 1024 over the side
    assert frame.points_to_model(np.array([[45.0, 30.0]])).tolist() == [[30 / 120 * 1024, 45 / 90 * 1024]]
    backbone.encode(resize_pixels(golden(90, 120), frame)[None])
    assert (float(seen[0].min()), float(seen[0].max())) == (0.0, 1.0)


def test_medsam_of_an_empty_slice_is_zero() -> None:
    backbone, seen = recording("medsam", 64)
    backbone.encode(np.full((1, 64, 64, 3), 7, np.uint8))
    assert not seen[0].any()


def test_sam_sees_normalised_pixels_and_zero_padding() -> None:
    backbone, seen = recording("sam", 64)
    pixels = golden(40, 64)
    backbone.encode(pixels[None])
    expected = (pixels - [123.675, 116.28, 103.53]) / [58.395, 57.12, 57.375]
    assert np.abs(seen[0][0, :, :40].numpy() - expected.transpose(2, 0, 1)).max() < 1e-6
    assert not seen[0][0, :, 40:].any()


def test_the_encoders_identity_includes_the_preprocessing(small: Pair) -> None:
    network = small.official.model
    other = SamBackbone("medsam", network, "medsam")
    assert other.weights_id == small.ours.weights_id
    assert other.encoder_id != small.ours.encoder_id


def test_features_of_two_frames_are_refused(small: Pair) -> None:
    twice = {"embedding": small.features["embedding"].repeat(2, 1, 1, 1)}
    with pytest.raises(ModelError, match="features of one frame, got 2"):
        small.ours.decode(twice, small.hints(1, False, None))


def test_a_mask_prompt_of_another_size_is_refused(small: Pair) -> None:
    with pytest.raises(ModelError, match="mask logits must be 64 x 64"):
        small.ours.decode(small.features, small.hints(1, False, np.zeros((256, 256), np.float32)))


def test_threads_get_the_answers_that_one_thread_gets(small: Pair) -> None:
    asked = [(clicks, box) for clicks, box in CASES.values()] * 4
    alone = [small.ours.decode(small.features, small.hints(*ask, None)).logits for ask in asked]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda ask: small.ours.decode(small.features, small.hints(*ask, None)).logits, asked))
    assert all(np.array_equal(a, b) for a, b in zip(alone, together, strict=True))


def test_read_only_and_turned_pixels_are_encoded(small: Pair) -> None:
    pixels = resize_pixels(picture(), small.frame)
    turned = np.ascontiguousarray(pixels[::-1])[::-1]
    turned.flags.writeable = False
    assert torch.equal(small.ours.encode(turned[None])["embedding"], small.features["embedding"])


def golden(height: int, width: int) -> np.ndarray:
    """An asymmetric picture (height, width, 3) whose values span 9 to 201."""
    y, x = np.mgrid[:height, :width]
    waves = np.stack([np.sin(x / 9 + y / 31), np.cos(y / 17), np.sin((x + 2 * y) / 23)], axis=-1)
    return np.rint(105 + 96 * waves).astype(np.uint8)


def recording(preprocessing: str, side: int) -> tuple[SamBackbone, list[torch.Tensor]]:
    """A backbone whose encoder keeps what it is shown."""
    seen: list[torch.Tensor] = []

    class Recorder(nn.Module):
        img_size = side

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            seen.append(images)
            return torch.zeros(1, 256, side // 16, side // 16)

    network = build_vit(replace(SMALL, width=64, heads=2, depth=0, input_size=side))
    network.image_encoder = Recorder()
    state = {name: torch.zeros(like.shape) for name, like in network.state_dict().items()}
    return SamBackbone(preprocessing, with_weights(network, state), preprocessing), seen
