"""Doubt with the mask, as a client gets it."""

from __future__ import annotations

import numpy as np
import pytest

from sam_infer.volume import Mask, Volume
from samlabel.uncertainty_reply import MOST, packed, unpacked
from tests.apps.conftest import Server


def test_a_map_comes_back_where_it_was() -> None:
    doubt = np.zeros((5, 6, 7), np.int8, order="F")
    doubt[1, 2, 3], doubt[3, 4, 3] = 127, 5
    told = packed(doubt)
    assert told["low"] == [1, 2, 3] and told["shape"] == [3, 3, 1] and told["dtype"] == "int8"
    np.testing.assert_array_equal(unpacked(told, doubt.shape), doubt)
    np.testing.assert_array_equal(unpacked(packed(np.zeros((2, 2, 2), np.int8)), (2, 2, 2)), 0)


@pytest.mark.slow
def test_a_click_brings_its_doubt_on_request(server: Server, phantom: tuple[Volume, Mask]) -> None:
    truth = phantom[1].array > 0
    i, j, k = (int(v) for v in np.argwhere(truth)[len(np.argwhere(truth)) // 2])
    plain = server.click("l", foreground=[[i, j, k]])
    assert plain.status == 200 and "uncertainty" not in plain.facts
    answer = server.click("l", foreground=[[i, j, k]], uncertainty=True)
    told = answer.facts["uncertainty"]
    doubt = unpacked(told, truth.shape)
    assert answer.mask_bytes == plain.mask_bytes  # doubt moves no edge
    assert 0 < doubt.max() <= MOST and doubt.min() >= 0
    assert not np.delete(doubt, k, axis=2).any()  # on the slice that was answered, and nowhere else
    assert set(told["expected_dice"]) == {"object"} and 0 <= told["expected_dice"]["object"] <= 1


def test_a_wish_that_is_no_switch_is_refused(server: Server) -> None:
    answer = server.click("l", foreground=[[20, 16, 12]], uncertainty="perhaps")
    assert answer.status == 422 and "uncertainty must be true or false" in answer.facts["detail"]
