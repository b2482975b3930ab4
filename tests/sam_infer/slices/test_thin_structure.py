"""Vessels in a box: found as ridges, where the label's name says that they are vessels."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pytest

from sam_infer.arrays import BoolArray, UInt8Array
from sam_infer.imaging.volume import Volume
from sam_infer.prompts.object_prompts import Box, Prompts
from sam_infer.slices.embedding_cache import EmbeddingCache
from sam_infer.slices.predictor import Options, Predictor
from sam_infer.slices.thin_structure import is_thin, thin_structure
from sam_trainer.measures.overlap import dice
from sam_trainer.synthetic.patients import grid

LINES = [((40, 60), (120, 110)), ((120, 110), (150, 190)), ((120, 110), (185, 150)), ((40, 60), (60, 150))]
BOX = np.array([[39, 59], [186, 191]])
NO_POINTS, NO_LABELS = np.zeros((0, 2), np.int64), np.zeros(0, np.int64)


def tree() -> BoolArray:
    drawn = np.zeros((256, 256), np.uint8)
    for start, stop in LINES:
        cv2.line(drawn, start[::-1], stop[::-1], 1, 3)
    return drawn > 0


@pytest.fixture
def picture() -> UInt8Array:
    """A dark tree on a brighter, noisy ground, crossed by another vessel that runs through the box and beyond."""
    rng = np.random.default_rng(0)
    grey = 140 + rng.normal(0, 6, (256, 256)) - 45 * tree()
    crossing = np.zeros((256, 256), np.uint8)
    cv2.line(crossing, (20, 165), (250, 175), 1, 3)
    return np.clip(grey - 45 * (crossing > 0), 0, 255).astype(np.uint8)


def test_names_that_say_thin() -> None:
    for name in ("vessels", "retinal_vessels", "vessels_1st", "Hepatic Vessel", "guide wire", "Gefäße", "capillaries"):
        assert is_thin(name), name
    for name in ("", "liver", "pulmonary artery", "portal vein", "vesselness map ", "wireless", "nerve"):
        assert not is_thin(name), name


@pytest.mark.parametrize("bright", [False, True])
def test_a_tree_is_found_and_what_runs_on_beyond_the_box_is_not(picture: UInt8Array, bright: bool) -> None:
    shown = 255 - picture if bright else picture
    found = thin_structure(shown, BOX, NO_POINTS, NO_LABELS)
    assert found is not None and dice(found, tree()) > 0.75
    assert not found[167:178, 20:50].any()
    colour = np.repeat(shown[..., None], 3, axis=2)
    again = thin_structure(colour, BOX, NO_POINTS, NO_LABELS)
    assert again is not None and np.array_equal(again, found)


def test_clicks_take_away_and_add_what_is_near_them(picture: UInt8Array) -> None:
    found = thin_structure(picture, BOX, NO_POINTS, NO_LABELS)
    less = thin_structure(picture, BOX, np.array([[50, 105]]), np.array([0]))
    assert found is not None and less is not None
    assert found[46:55, 100:110].any() and not less[48:53, 103:108].any()
    assert np.array_equal(less[100:], found[100:])
    outside = np.array([[170, 100], [-4, 900]])
    more = thin_structure(picture, BOX, outside, np.array([1, 1]))
    assert more is not None and more[167:174, 97:103].any() and (more | found).sum() == more.sum()


def test_nothing_thin_is_no_answer() -> None:
    assert thin_structure(np.full((64, 64), 90, np.uint8), np.array([[8, 8], [50, 50]]), NO_POINTS, NO_LABELS) is None


def test_the_label_of_a_box_decides(picture: UInt8Array, network: Any) -> None:
    volume = Volume(np.ascontiguousarray(picture.T[..., None]), grid((256, 256, 1), (1, 1, 1)), "OTHER")
    view = volume.view(2, 0)
    prompts = Prompts(2, box=Box.of(*view.to_stored(BOX)))
    predictor = Predictor(network, EmbeddingCache())
    vessels = predictor.predict(volume, prompts, 0, Options(label="vessels"))
    plain = predictor.predict(volume, prompts, 0, Options(label="liver"))
    truth = tree() if view.height == 256 else tree().T
    assert dice(vessels.pixels, truth) > 0.7 > dice(plain.pixels, truth)
    chosen = predictor.predict(volume, prompts, 0, Options(label="vessels", candidate=0))
    assert not np.array_equal(chosen.pixels, vessels.pixels)
    assert (vessels.by_ridges, plain.by_ridges, chosen.by_ridges) == (True, False, False)
