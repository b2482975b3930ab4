"""What a label map says about labels that it does not show, and what moves with a slice."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from sam_infer.imaging.image_file import read_mask, write_image, write_mask
from sam_infer.imaging.volume import Mask, Volume
from sam_infer.networks.tiny.backbone import TinyBackbone
from sam_trainer.judging.semantic_score import mean_dice, score_case
from sam_trainer.labels.cases import Case
from sam_trainer.lessons.semantic_batches import SemanticBatches, moved
from sam_trainer.lessons.semantic_lesson import semantic_lessons
from sam_trainer.lessons.semantic_loss import semantic_loss
from sam_trainer.synthetic.patients import grid

LABELS = ["core", "ring", "stone"]
NAMES = {1: "ring", 2: "core", 3: "stone"}


def case_with(folder: Path, slices: dict[int, list[int]], depth: int = 10) -> Case:
    """A volume of 24 x 20 pixels whose slices show squares of these values, side by side."""
    geometry = grid((24, 20, depth), (1.0, 1.0, 4.0))
    values = np.zeros(geometry.shape, np.uint8, order="F")
    for index, drawn in slices.items():
        for value in drawn:
            values[2 + 7 * (value - 1) : 8 + 7 * (value - 1), 4:12, index] = value
    folder.mkdir(parents=True, exist_ok=True)
    image, label = folder / "a.nii.gz", folder / "labels" / "final" / "a.nii.gz"
    write_image(Volume(np.asfortranarray(values.astype(np.int16) * 60), geometry, "MR"), image)
    write_mask(Mask(values, geometry), label)
    return Case("s", "a", image, label, "MR", {value: NAMES[value] for value in (1, 2, 3)}, {1: (2,)})


def known(case: Case) -> dict[int, list[str]]:
    return {
        lesson.view.index: [name for name, here in zip(LABELS, lesson.known, strict=True) if here]
        for lesson in semantic_lessons(case, LABELS)
    }


def test_scattered_slices_are_known_for_what_they_show_and_nothing_else(tmp_path: Path) -> None:
    assert known(case_with(tmp_path, {2: [1], 7: [2]})) == {2: ["ring"], 7: ["core"]}


def test_one_slice_teaches_and_its_neighbours_say_nothing(tmp_path: Path) -> None:
    assert known(case_with(tmp_path, {5: [1, 2]})) == {5: ["core", "ring"]}


def test_a_label_drawn_from_end_to_end_is_known_to_be_absent_elsewhere(tmp_path: Path) -> None:
    found = known(case_with(tmp_path, {2: [1], 3: [1, 2], 4: [1]}))
    assert found[2] == found[4] == ["ring"] and found[3] == ["core", "ring"]
    beyond = {index: names for index, names in found.items() if index not in (2, 3, 4)}
    assert len(beyond) == 4 and all(names == ["ring"] for names in beyond.values())


def test_a_label_that_the_case_lacks_is_unknown_everywhere(tmp_path: Path) -> None:
    assert all("stone" not in names for names in known(case_with(tmp_path, {k: [1, 2] for k in range(10)})).values())


def test_what_is_unknown_is_not_background() -> None:
    """On an unlabelled pixel a known label must fall, an unknown one may rise."""
    numbers = torch.zeros(1, 8, 8, dtype=torch.int64)
    numbers[0, :4] = 1
    logits = torch.zeros(1, 2, 4, 4, requires_grad=True)
    slopes = []
    for here in (True, False):
        semantic_loss(logits, numbers, torch.tensor([[True, here]])).backward()
        slopes.append(logits.grad[0, 1, 2:].mean().item())
        logits.grad = None
    assert slopes[0] > 0 > slopes[1] or slopes[0] > 0 == slopes[1]
    assert slopes[1] < 0  # none and unknown together grow


def test_a_perfect_answer_costs_nothing_and_a_wrong_one_much() -> None:
    numbers = torch.zeros(2, 8, 8, dtype=torch.int64)
    numbers[0, :4], numbers[1, 2:6] = 1, 2
    truth = torch.stack([numbers == 1, numbers == 2], dim=1)[:, :, ::2, ::2].float()
    everything = torch.ones(2, 2, dtype=torch.bool)
    good = semantic_loss(truth * 40 - 20, numbers, everything)
    assert good < 0.05 < 5 < semantic_loss(truth.flip(1) * 40 - 20, numbers, everything)
    nothing = semantic_loss(torch.full((1, 2, 4, 4), -20.0), torch.zeros(1, 8, 8, dtype=torch.int64), everything[:1])
    assert nothing < 1e-3  # an empty slice is no reason to divide by nothing


def test_pixels_and_labels_move_together_and_are_never_mirrored() -> None:
    pixels, values = np.full((120, 160, 3), 40, np.uint8), np.zeros((160, 160), np.uint8)
    pixels[30:70, 20:60], values[30:70, 20:60] = 220, 1
    pixels[50:90, 100:130], values[50:90, 100:130] = 130, 2
    for seed in range(20):
        (shown, beside), numbers = moved(np.stack([pixels, pixels]), values, np.random.default_rng(seed))
        grey = shown.mean(axis=2)
        assert np.abs(beside.mean(axis=2) - grey).max() < 100  # moved alike, each with noise of its own
        assert grey[numbers[:120] == 1].mean() > grey[numbers[:120] == 2].mean() > grey[numbers[:120] == 0].mean()
        left, right = (np.argwhere(numbers == n)[:, 1].mean() for n in (1, 2))
        assert left < right and not numbers[120:].any()


def test_a_batch_shows_lessons_at_the_size_of_the_head(tmp_path: Path) -> None:
    case = case_with(tmp_path, {k: [1, 2] for k in range(3, 8)})
    batches = SemanticBatches(semantic_lessons(case, LABELS), TinyBackbone.random())
    batch = batches.draw(None, 3, np.random.default_rng(0))
    assert batch.pictures.shape == (3, 3, 256, 256) and batch.numbers.shape == (3, 256, 256)
    assert batch.known.tolist() == [[True, True, False]] * 3 and set(batch.numbers.unique().tolist()) <= {0, 1, 2}
    again = batches.draw(None, 3, np.random.default_rng(0))
    assert torch.equal(again.pictures, batch.pictures) and torch.equal(again.numbers, batch.numbers)


def test_scores_fill_an_outer_label_with_what_is_inside_it_and_miss_what_was_not_learned(tmp_path: Path) -> None:
    case = case_with(tmp_path, {k: [1, 2] for k in range(3, 8)})
    truth = read_mask(case.label).array

    def perfect(volume: Volume, view: object) -> np.ndarray:
        shown = view.extract(truth)
        return np.select([shown == 1, shown == 2], [2, 1], 0).astype(np.uint8)

    both = score_case(case, ["core", "ring"], perfect)
    assert {score.label: score.dice for score in both} == {"core": 1.0, "ring": 1.0} and mean_dice(both) == 1.0
    only = {s.label: s.dice for s in score_case(case, ["core"], lambda v, w: (w.extract(truth) == 2).astype(np.uint8))}
    assert only["core"] == 1.0 and 0.4 < only["ring"] < 1.0  # its inner part was found, itself was not
    flat = replace(case, includes={})
    missed = {
        s.label: s.dice for s in score_case(flat, ["core"], lambda v, w: (w.extract(truth) == 2).astype(np.uint8))
    }
    assert missed == {"core": 1.0, "ring": 0.0}
