"""What is wrong or empty in 3D: a sentence with the right status, or an answer that says that it is empty."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import ndimage

from sam_infer.imaging.image_file import write_image
from sam_infer.imaging.volume import Volume
from sam_trainer.synthetic.patients import grid, lesion_photo
from tests.samlabel.conftest import Answer, Server

INSIDE, BESIDE = [24, 12, 12], [3, 3, 12]


def ask(server: Server, model: str, image: str = "l", **params: Any) -> Answer:
    return server.send(
        {"method": "POST", "path": f"/infer/{model}", "query": {"image": image}, "headers": {}, "params": params}
    )


@pytest.fixture(scope="module")
def flat(server: Server) -> Iterator[Server]:
    """A scan of one slice, one of two slices, and a photograph."""
    array = np.full((40, 32, 1), 30, np.int16)
    array[10:22, 8:20] = 300
    write_image(Volume(array, grid((40, 32, 1), (1.0, 1.0, 5.0)), "MR"), server.studies / "one_slice.nii.gz")
    two = np.repeat(array, 2, axis=2)
    write_image(Volume(two, grid((40, 32, 2), (1.0, 1.0, 5.0)), "MR"), server.studies / "two_slices.nii.gz")
    write_image(lesion_photo(np.random.default_rng(0), 64)[0], server.studies / "mole.png")
    store = server.app.datastore()
    store.refresh()
    yield server
    for name in ("one_slice", "two_slices", "mole"):
        store.remove_image(name)


REFUSED: list[tuple[str, str, dict[str, Any], str]] = [
    ("a box on a slice outside", "sam_3d", {"roi": [5, 20, 5, 20, 99, 99]}, "outside the image"),
    ("a point on a slice outside", "sam_3d", {"foreground": [INSIDE, [24, 12, 24]]}, "outside the image"),
    ("background on a slice outside", "sam_3d", {"foreground": [INSIDE], "background": [[1, 1, -1]]}, "outside"),
    ("a brush outside", "sam_3d", {"foreground_scribble": [[24, 12, 60]]}, "leaves the image"),
    ("roi beside the points", "sam_3d", {"foreground": [INSIDE], "roi": [0, 39, 0, 31, 20, 23]}, "outside the roi"),
    (
        "roi beside one of the points",
        "sam_3d",
        {"foreground": [INSIDE, [24, 12, 5]], "roi": [0, 39, 0, 31, 10, 15]},
        "outside the roi",
    ),
    ("foreground and background at once", "sam_3d", {"foreground": [INSIDE, BESIDE], "background": [BESIDE]}, "both"),
    ("corrections of nothing", "sam_3d", {"background": [BESIDE]}, "nothing to start from"),
    ("an unknown plane", "sam_3d", {"foreground": [INSIDE], "plane": "oblique"}, "plane must be"),
    ("negative smoothing", "sam_3d", {"foreground": [INSIDE], "smooth_mm": -3}, "smooth_mm"),
    ("holes of no number", "sam_3d", {"foreground": [INSIDE], "fill_holes_mm3": "nan"}, "fill_holes_mm3"),
    ("no such engine", "sam_3d", {"foreground": [INSIDE], "engine": "video"}, "engine must be one of auto, tracker"),
    ("no such seed", "sam_3d", {"seed_from": "nobody"}, "no accepted label of a case 'nobody'"),
    ("its own seed", "sam_3d", {"seed_from": "l"}, "cannot be seeded from itself"),
    ("a seed and a point", "sam_3d", {"foreground": [INSIDE], "seed_from": "best"}, "without a prompt"),
    ("labels without points", "sam_multi", {"object": []}, "at least one of object"),
    ("a label's point is background too", "sam_multi", {"object": [INSIDE], "background": [INSIDE]}, "both"),
    ("a label's point outside", "sam_multi", {"object": [[40, 0, 0]]}, "outside"),
    ("a label's roi elsewhere", "sam_multi", {"object": [INSIDE], "roi": [0, 5, 0, 5, 0, 3]}, "outside the roi"),
    ("a device in 3D", "sam_3d", {"foreground": [INSIDE], "device": "cuda:9"}, "device must be"),
    ("a device for labels", "sam_multi", {"object": [INSIDE], "device": "cuda:9"}, "device must be"),
    ("a device without a hint", "sam_auto", {"device": "cuda:9"}, "device must be"),
    ("a slice in 3D", "sam_3d", {"foreground": [INSIDE], "slice": -1}, "slice must be from 0 to 23"),
    ("no such mode", "sam_auto", {"mode": "finest"}, "mode must be"),
    ("slice outside the roi", "sam_auto", {"slice": 2, "roi": [0, 39, 0, 31, 10, 15]}, "outside the roi"),
    ("roi outside", "sam_auto", {"extent": "volume", "roi": [0, 39, 0, 31, 40, 50]}, "outside the image"),
]


@pytest.mark.parametrize(("model", "params", "word"), [case[1:] for case in REFUSED], ids=[case[0] for case in REFUSED])
def test_refusals_say_what_is_wrong(server: Server, model: str, params: dict[str, Any], word: str) -> None:
    answer = ask(server, model, **params)
    assert answer.status == 422, answer.facts
    assert word in answer.facts["detail"] and answer.facts["field"] and "Traceback" not in json.dumps(answer.facts)


def test_a_slice_that_is_not_there_is_said_where_nothing_was_pointed_at(server: Server) -> None:
    """3D Slicer sends an offset in millimetres: to refuse it would refuse every proposal."""
    answer = ask(server, "sam_auto", slice=417)
    assert answer.status == 200 and "slice 417 is not in the image" in answer.facts["warnings"][0]


def test_an_empty_result_says_so(server: Server, tmp_path: Path) -> None:
    """Foreground and background in the same region: the network keeps nothing."""
    answer = ask(server, "sam_3d", foreground=[INSIDE], background=[[25, 12, 12]])
    assert answer.status == 200 and not answer.mask(tmp_path).array.any()
    facts = answer.facts
    assert (facts["voxels"], facts["score"], facts["slices"]) == (0, 0, None)
    told = " ".join(facts["warnings"])
    assert "nothing was found at the prompts of slice 12" in told and "the mask is empty" in told


def test_clicks_on_a_second_slice_correct_what_arrived_there(server: Server, tmp_path: Path) -> None:
    answer = ask(server, "sam_3d", foreground=[INSIDE, [24, 12, 8]], background=[[25, 12, 8]])
    mask, alone = answer.mask(tmp_path).array, ask(server, "sam_3d", foreground=[INSIDE]).mask(tmp_path).array
    assert answer.status == 200 and np.array_equal(mask[:, :, 12], alone[:, :, 12])
    assert not mask[25, 12, 8] and mask[:, :, 8].sum() < alone[:, :, 8].sum()


def test_an_object_that_vanishes_ends_there(server: Server, tmp_path: Path) -> None:
    """A correction that leaves crumbs of the edge on its slice: beyond it nothing is followed."""
    whole = ask(server, "sam_3d", foreground=[INSIDE])
    found = whole.mask(tmp_path).array
    before = np.flatnonzero(found.any(axis=(0, 1)))
    cut = int(before[before < 12][len(before[before < 12]) // 2])
    depth = ndimage.distance_transform_edt(found[:, :, cut])
    i, j = (int(n) for n in np.unravel_index(int(depth.argmax()), depth.shape))
    answer = ask(server, "sam_3d", foreground=[INSIDE], background=[[i, j, cut]])
    left = answer.mask(tmp_path).array
    after = np.flatnonzero(left.any(axis=(0, 1)))
    assert before[0] < cut <= after[0] and after[-1] == before[-1]
    assert left[:, :, cut].sum() < 0.3 * found[:, :, cut].sum()
    far = ask(server, "sam_3d", foreground=[INSIDE], background=[[24, 12, 0]])
    assert any("nothing of the object reaches slice 0" in note for note in far.facts["warnings"])


@pytest.mark.parametrize("image", ["one_slice", "two_slices"])
@pytest.mark.parametrize(
    ("model", "params"),
    [
        ("sam_3d", {"foreground": [[15, 13, 0]]}),
        ("sam_3d", {"roi": [9, 23, 7, 21, 0, 0]}),
        ("sam_multi", {"object": [[15, 13, 0]]}),
    ],
)
def test_scans_of_one_or_two_slices(
    flat: Server, image: str, model: str, params: dict[str, Any], tmp_path: Path
) -> None:
    answer = ask(flat, model, image, **params)
    assert answer.status == 200, answer.facts
    assert answer.mask(tmp_path).array.astype(bool).sum() == 144 * (1 if image == "one_slice" else 2)


def test_a_photograph_in_3d(flat: Server, tmp_path: Path) -> None:
    answer = ask(flat, "sam_3d", "mole", foreground=[[28, 34, 0]])
    assert answer.status == 200 and answer.facts["slices"] == [0, 0] and answer.facts["voxels"] > 100
    missed = ask(flat, "sam_3d", "mole", foreground=[[28, 34, 1]])
    assert missed.status == 422 and "outside the image" in missed.facts["detail"]
    across = ask(flat, "sam_3d", "mole", foreground=[[28, 34, 0]], plane="sagittal")
    assert across.status == 422 and "one slice" in across.facts["detail"]


@pytest.mark.parametrize("image", ["one_slice", "mole"])
def test_automatic_modes_on_one_slice(flat: Server, image: str) -> None:
    assert ask(flat, "sam_auto", image, extent="volume").status == 200
    for mode in ("grid", "selfprompt", "atlas"):
        answer = ask(flat, "sam_auto", image, mode=mode)
        assert answer.status == 422 and "no accepted label of another" in answer.facts["detail"]
