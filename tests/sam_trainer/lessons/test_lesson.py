"""Lessons show what a server would show, and batches ask what a reader would ask."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from sam_infer.errors import VolumeError
from sam_infer.imaging.image_file import read_image, write_image, write_mask
from sam_infer.imaging.volume import Mask, Volume
from sam_infer.networks.tiny.backbone import TinyBackbone
from sam_infer.networks.tiny.model import TinySam
from sam_infer.prompts.object_prompts import Prompts
from sam_infer.slices.embedding_cache import EmbeddingCache
from sam_infer.slices.predictor import Predictor
from sam_trainer.labels.cases import Case, labelled_image, read_sources
from sam_trainer.lessons.augment import Change, draw_change
from sam_trainer.lessons.batches import LessonBatches
from sam_trainer.lessons.lesson import lessons_of
from sam_trainer.methods.trainable import TrainableTiny
from tests.conftest import BrightNetwork
from tests.small_studies import flat_case


def case_of(folder: Path, phantom: tuple[Volume, Mask], name: str = "l") -> Case:
    volume, mask = phantom
    write_image(volume, folder / f"{name}.nii.gz")
    write_mask(mask, folder / "labels" / "final" / f"{name}.nii.gz")
    return read_sources(folder)[0].cases[0]


@pytest.fixture
def l_case(tmp_path: Path, l_phantom: tuple[Volume, Mask]) -> Case:
    return case_of(tmp_path / "studies", l_phantom)


def test_a_lesson_is_a_slice_with_its_objects_in_display_orientation(
    l_case: Case, l_phantom: tuple[Volume, Mask]
) -> None:
    volume, mask = l_phantom
    lessons = lessons_of(l_case, slices=3)
    assert len({lesson.view.index for lesson in lessons}) == 3
    for lesson in lessons:
        assert lesson.case == "l" and lesson.image == read_image(l_case.image).digest
        shown = lesson.view.extract(mask.array) == 1
        joined = np.any([found.mask for found in lesson.objects], axis=0)
        assert (joined & ~shown).sum() == 0 and joined.sum() > 0.8 * shown.sum()
        assert lesson.pixels.shape == (lesson.view.height, lesson.view.width)
        np.testing.assert_array_equal(lesson.pixels, lesson.window.apply(lesson.view.extract(volume.array)))
        # the L is brighter than what is around it, under the window that a click on it would choose
        assert lesson.pixels[joined].mean() > lesson.pixels[~shown].mean() + 20


def test_one_labelled_slice_already_teaches(tmp_path: Path, l_phantom: tuple[Volume, Mask]) -> None:
    volume, mask = l_phantom
    one = np.zeros_like(mask.array)
    one[:, :, 11] = mask.array[:, :, 11]
    lessons = lessons_of(case_of(tmp_path, (volume, Mask(np.asfortranarray(one), mask.geometry))))
    assert [lesson.view.index for lesson in lessons] == [11]


@pytest.mark.parametrize("change", [Change(), Change(True, False), Change(False, True, 1.2, 0.9)])
def test_a_change_turns_image_and_mask_alike(change: Change) -> None:
    picture = np.arange(12, dtype=np.uint8).reshape(3, 4) * 20
    turned = change.pixels(picture)
    marked = change.place(picture == 60)
    assert marked.sum() == 1 and turned[marked] == Change(gamma=change.gamma, gain=change.gain).pixels(picture)[0, 3]
    assert change == Change() or not np.array_equal(turned, picture)


def test_draws_can_be_replayed() -> None:
    assert draw_change(np.random.default_rng(4)) == draw_change(np.random.default_rng(4))
    assert len({draw_change(np.random.default_rng(n)) for n in range(20)}) == 20


@pytest.fixture(scope="module")
def prompted() -> TrainableTiny:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return TrainableTiny(TinySam(), torch.device("cpu"))


def test_a_batch_shows_objects_where_they_are(tmp_path: Path, prompted: TrainableTiny) -> None:
    flat_case(tmp_path, "a", 0)
    lessons = lessons_of(read_sources(tmp_path)[0].cases[0])
    batches = LessonBatches(lessons, TinyBackbone.random())
    for seed in range(8):
        batch, features = batches.draw(prompted, 2, 3, np.random.default_rng(seed))
        assert features is None and batch.images.shape == (2, 3, 256, 256) and batch.truth.shape == (6, 256, 256)
        assert batch.coverage.shape == (6, 64, 64) and batch.earlier.shape == (6, 1, 64, 64)
        bright = batch.images.mean(1).repeat_interleave(3, 0)
        for grey, mask, prompt in zip(bright, batch.truth.bool(), batch.prompts, strict=True):
            # objects are bright on a dark ground, so image and truth agree only if both were framed alike
            assert grey[mask].median() > 150
            for click in prompt.clicks:
                assert bool(mask[int(click.y), int(click.x)]) == (click.label == 1)
        again, _ = batches.draw(prompted, 2, 3, np.random.default_rng(seed))
        assert torch.equal(again.images, batch.images) and torch.equal(again.truth, batch.truth)


def test_remembered_images_are_those_of_the_server(l_case: Case) -> None:
    """A decoder's training reads what clicks left in the cache, and leaves what clicks will read."""
    network, cache = BrightNetwork(), EmbeddingCache()
    lesson = lessons_of(l_case, slices=1)[0]
    volume = read_image(l_case.image)
    spot = np.argwhere(lesson.objects[0].mask)[0]
    click = Prompts(lesson.view.axis, lesson.view.to_stored([spot]).astype(int), np.array([1]))
    Predictor(network, cache).predict(volume, click, lesson.view.index)
    assert network.encodes == 1
    batches = LessonBatches([lesson], network, cache)
    keys = set()
    for seed in range(10):
        batch, features = batches.draw(None, 1, 1, np.random.default_rng(seed))  # type: ignore[arg-type]
        assert features is not None and batch.images.shape == (1, 0)
        keys.add(float(features["grey"].sum()))
    assert 1 <= network.encodes <= 2  # the whole slice was there already; a close-up of the object may be new
    assert len(keys) == network.encodes


def test_a_label_that_lies_elsewhere_is_refused(l_case: Case, l_phantom: tuple[Volume, Mask]) -> None:
    _, mask = l_phantom
    affine = mask.geometry.affine.copy()
    affine[:3, 3] += 5
    write_mask(Mask(mask.array, type(mask.geometry)(mask.geometry.shape, affine)), l_case.label)
    with pytest.raises(VolumeError, match="the label of l has another grid"):
        labelled_image(l_case)
