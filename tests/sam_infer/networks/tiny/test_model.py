import pytest
import torch

from sam_infer.networks.tiny.model import INPUT_SIZE, LOW_RES, TinySam, pad_to_square


@pytest.fixture(scope="module")
def model() -> TinySam:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return TinySam().eval()


@pytest.fixture(scope="module")
def images() -> torch.Tensor:
    return torch.rand(2, 3, INPUT_SIZE, INPUT_SIZE, generator=torch.Generator().manual_seed(1)) * 255


def one_point(x: float, y: float) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.tensor([[[x, y]]]), torch.ones(1, 1)


@torch.inference_mode()
def test_shapes_of_features_and_answers(model: TinySam, images: torch.Tensor) -> None:
    features = model.encode(images)
    assert {name: tuple(maps.shape) for name, maps in features.items()} == {
        "stride4": (2, 32, 64, 64),
        "stride8": (2, 64, 32, 32),
        "stride16": (2, 128, 16, 16),
    }
    logits, scores = model.decode(features, torch.zeros(2, 3, 2), torch.ones(2, 3))
    assert logits.shape == (2, 4, LOW_RES, LOW_RES)
    assert scores.shape == (2, 4)
    assert ((scores >= 0) & (scores <= 1)).all()


def test_one_megabyte_per_cached_image_and_twelve_on_disk(model: TinySam, images: torch.Tensor) -> None:
    with torch.inference_mode():
        features = model.encode(images[:1])
    assert sum(2 * maps.numel() for maps in features.values()) <= 1_000_000
    assert sum(2 * tensor.numel() for tensor in model.state_dict().values()) <= 12_000_000


def test_adapters_find_the_fused_projections(model: TinySam) -> None:
    names = [name for name, _ in model.image_encoder.named_modules() if name.endswith("attn.qkv")]
    assert names == [f"blocks.{i}.attn.qkv" for i in range(6)]


@torch.inference_mode()
def test_one_encoding_serves_many_prompts(model: TinySam, images: torch.Tensor) -> None:
    features = model.encode(images[:1])
    points = torch.tensor([[[20.0, 30.0]], [[200.0, 100.0]]])
    together, _ = model.decode(features, points, torch.ones(2, 1))
    for i in range(2):
        alone, _ = model.decode(features, points[i : i + 1], torch.ones(1, 1))
        torch.testing.assert_close(together[i : i + 1], alone, atol=1e-4, rtol=1e-4)


@torch.inference_mode()
def test_every_kind_of_prompt_changes_the_answer(model: TinySam, images: torch.Tensor) -> None:
    features = model.encode(images[:1])
    points, labels = one_point(100, 80)
    mask = torch.zeros(1, 1, LOW_RES, LOW_RES)
    answers = [
        model.decode(features, points, labels)[0],
        model.decode(features, points, 0 * labels)[0],
        model.decode(features, points + 40, labels)[0],
        model.decode(features, points, labels, torch.tensor([[50.0, 50.0, 150.0, 120.0]]))[0],
        model.decode(features, points, labels, None, mask)[0],
        model.decode(features, points, labels, None, mask + 5)[0],
    ]
    for i, first in enumerate(answers):
        for second in answers[i + 1 :]:
            assert not torch.equal(first, second)


@torch.inference_mode()
def test_padding_and_absent_prompts_say_nothing(model: TinySam, images: torch.Tensor) -> None:
    features = model.encode(images[:1])
    points, labels = one_point(100, 80)
    plain, _ = model.decode(features, points, labels)
    nan_box = torch.full((1, 4), torch.nan)
    nan_mask = torch.full((1, 1, LOW_RES, LOW_RES), torch.nan)
    explicit, _ = model.decode(features, points, labels, nan_box, nan_mask)
    torch.testing.assert_close(plain, explicit)
    # a padded point adds a "not a point" token, so only its place must not matter
    padded_labels = torch.tensor([[1.0, -1.0]])
    here, _ = model.decode(features, torch.cat([points, points], 1), padded_labels)
    there, _ = model.decode(features, torch.cat([points, points + 90], 1), padded_labels)
    torch.testing.assert_close(here, there)


@torch.inference_mode()
def test_smaller_inputs_work_for_training(model: TinySam, images: torch.Tensor) -> None:
    features = model.encode(images[:, :, :128, :128])
    logits, _ = model.decode(features, torch.zeros(2, 1, 2), torch.ones(2, 1))
    assert logits.shape == (2, 4, 32, 32)


def test_same_seed_same_weights() -> None:
    first, second = [], []
    for kept in (first, second):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(3)
            kept += list(TinySam().state_dict().values())
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))


def test_padding_goes_to_the_bottom_and_right() -> None:
    padded = pad_to_square(torch.ones(1, 3, 100, 256))
    assert padded.shape == (1, 3, 256, 256)
    assert padded[:, :, :100].min() == 1
    assert padded[:, :, 100:].max() == 0
