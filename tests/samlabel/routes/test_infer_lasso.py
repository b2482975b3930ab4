"""Lassos over HTTP, answered by the embedded network: as good as a hand-drawn region, and better."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sam_infer.imaging.image_file import write_image
from sam_infer.imaging.volume import Mask, Volume
from sam_infer.models.load import load_backbone
from sam_infer.prompts.lasso import filled
from sam_trainer.measures.overlap import dice
from sam_trainer.synthetic.patients import ABDOMEN_LABELS, abdomen, grid, render
from tests.samlabel.conftest import Answer, Server, new_serving

IMAGE = "lasso_abdomen"
ORGANS = ("liver", "spleen", "kidney_left", "vertebra")
SLICE = 7


@pytest.fixture(scope="module")
def patient(server: Server) -> Iterator[tuple[Volume, Mask]]:
    """A procedural abdomen, as the demo has them, and the embedded network."""
    made = render(
        abdomen(np.random.default_rng(3)), grid((160, 140, 14), (2.2, 2.2, 10.0)), "CT", np.random.default_rng(1)
    )
    write_image(made[0], server.studies / f"{IMAGE}.nii.gz")
    server.app.datastore().refresh()
    server.app.serving.close()
    server.app.serving = new_serving(load_backbone("tiny"), server.home)
    yield made
    server.app.datastore().remove_image(IMAGE)
    server.restart()


def organ(mask: Mask, name: str) -> np.ndarray:
    return mask.array == next(value for value, known in ABDOMEN_LABELS.items() if known == name)


def around(where: np.ndarray, share: float, corners: int = 24) -> list[list[float]]:
    """A hand that goes round an object (I, J) on a slice, so much wider than it is."""
    spots = np.argwhere(where)
    middle = spots.mean(axis=0)
    angles = np.linspace(-np.pi, np.pi, corners, endpoint=False)
    at = np.arctan2(*(spots - middle).T)
    line = []
    for angle in angles:
        near = np.abs(np.angle(np.exp(1j * (at - angle)))) <= np.pi / corners * 1.5
        far = np.linalg.norm(spots[near] - middle, axis=1).max() if near.any() else 1.0
        i, j = middle + (1 + share) * far * np.array([np.sin(angle), np.cos(angle)])
        line.append([float(i), float(j), float(SLICE)])
    return line


def ask(server: Server, model: str, **params: Any) -> Answer:
    return server.send(
        {"method": "POST", "path": f"/infer/{model}", "query": {"image": IMAGE}, "headers": {}, "params": params}
    )


@pytest.mark.parametrize("name", ORGANS)
def test_a_lasso_round_an_organ_is_better_than_its_own_line(
    server: Server, patient: tuple[Volume, Mask], tmp_path: Path, name: str
) -> None:
    truth = organ(patient[1], name)[:, :, SLICE]
    line = around(truth, 0.08)
    region = filled(np.array(line)[:, :2], truth.shape)
    answer = ask(server, "sam_2d", foreground_lasso=[line])
    assert answer.status == 200 and answer.facts["slice"] == SLICE and answer.facts["prompts"]["lassos"] == 1
    found = answer.mask(tmp_path).array > 0
    assert not np.delete(found, SLICE, axis=2).any() and not (found[:, :, SLICE] & ~region).any()
    assert dice(found[:, :, SLICE], truth) >= max(0.9, dice(region, truth))


def test_what_a_background_lasso_encircles_is_left_out(
    server: Server, patient: tuple[Volume, Mask], tmp_path: Path
) -> None:
    truth = organ(patient[1], "liver")[:, :, SLICE]
    middle = int(np.argwhere(truth)[:, 0].mean())
    part = [[middle, 0, SLICE], [159, 0, SLICE], [159, 139, SLICE], [middle, 139, SLICE]]
    found = ask(server, "sam_2d", foreground_lasso=[around(truth, 0.08)], background_lasso=[part]).mask(tmp_path).array
    assert found[:middle, :, SLICE].any() and not found[middle:, :, SLICE].any()


def test_a_point_outside_says_that_there_is_more(server: Server, patient: tuple[Volume, Mask], tmp_path: Path) -> None:
    truth = organ(patient[1], "liver")[:, :, SLICE]
    spots = np.argwhere(truth)
    half = np.array(truth)
    half[int(spots[:, 0].mean()) :] = False
    point = [*(int(value) for value in spots[-len(spots) // 6]), SLICE]
    line = around(half, 0.0)
    alone = ask(server, "sam_2d", foreground_lasso=[line]).mask(tmp_path).array[:, :, SLICE] > 0
    more = ask(server, "sam_2d", foreground_lasso=[line], foreground=[point]).mask(tmp_path).array[:, :, SLICE] > 0
    assert not alone[tuple(point[:2])] and more[tuple(point[:2])]
    assert dice(more, truth) > dice(alone, truth)


def test_in_3d_an_organ_is_followed_from_its_lasso(
    server: Server, patient: tuple[Volume, Mask], tmp_path: Path
) -> None:
    truth = organ(patient[1], "kidney_left")
    answer = ask(server, "sam_3d", foreground_lasso=[around(truth[:, :, SLICE], 0.08)])
    assert answer.status == 200 and answer.facts["prompted_slices"] == [SLICE]
    assert dice(answer.mask(tmp_path).array > 0, truth) >= 0.85


def test_in_3d_every_slice_with_a_lasso_is_a_prompt(server: Server, patient: tuple[Volume, Mask]) -> None:
    truth = organ(patient[1], "liver")
    lines = []
    for index in (SLICE - 2, SLICE + 2):
        lines.append([[i, j, index] for i, j, _ in around(truth[:, :, index], 0.08)])
    answer = ask(server, "sam_3d", foreground_lasso=lines)
    assert answer.facts["prompted_slices"] == [SLICE - 2, SLICE + 2]


@pytest.mark.parametrize(
    ("params", "word"),
    [
        ({"foreground_lasso": "here"}, "must be a list of lassos"),
        ({"foreground_lasso": [[[1, 2, 3], [4, 5, 3]]]}, "three different voxels"),
        ({"foreground_lasso": [[[1, 1, 3], [9, 1, 4], [5, 9, 5]]]}, "must lie on one slice"),
        ({"foreground_lasso": [[[1, 1, 99], [9, 1, 99], [5, 9, 99]]]}, "the image has slices"),
        ({"background_lasso": [[[1, 1, 3], [9, 1, 3], [5, 9, 3]]]}, "background points"),
        ({"foreground_lasso": [[[1, 1, 3], [9, 1, 3], [5, 9, 3]]] * 51}, "more than the 50 allowed"),
    ],
)
def test_refusals_are_sentences(
    server: Server, patient: tuple[Volume, Mask], params: dict[str, Any], word: str
) -> None:
    answer = ask(server, "sam_2d", **params)
    assert answer.status == 422 and word in answer.facts["detail"]
