"""Doubt with the mask, as a client gets it."""

from __future__ import annotations

import numpy as np
import pytest

from sam_infer.adapters.store import AdapterStore
from sam_infer.imaging.volume import Mask, Volume
from sam_infer.models.load import load_network
from samlabel.config import AppConfig
from samlabel.engine import load_serving
from samlabel.wire.doubt_reply import MOST, packed, unpacked
from tests.sam_infer.models.test_current import adapter
from tests.samlabel.conftest import Server


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


@pytest.mark.parametrize(
    ("wish", "sentence"),
    [
        ("perhaps", "uncertainty must be true, false or one of "),
        ("prompts", "uncertainty prompts is not offered, as it has no proven worth (it follows the true error by"),
        ("semantic", "needs an adapter that labels without a prompt"),
        ("adapters", "needs earlier adapters"),
    ],
)
def test_wishes_that_cannot_be_granted_are_refused(server: Server, wish: str, sentence: str) -> None:
    answer = server.click("l", foreground=[[20, 16, 12]], uncertainty=wish)
    assert answer.status == 422 and sentence in answer.facts["detail"]


@pytest.mark.slow
def test_doubt_is_measured_as_the_request_says_also_by_earlier_adapters(
    server: Server, phantom: tuple[Volume, Mask]
) -> None:
    truth = phantom[1].array > 0
    i, j, k = (int(v) for v in np.argwhere(truth)[len(np.argwhere(truth)) // 2])
    base, store = load_network("tiny"), AdapterStore("tiny")
    old, server.app.serving = server.app.serving, load_serving(AppConfig())
    old.close()
    try:
        store.promote(store.put(adapter(base, 1)), "test")
        refused = server.click("l", foreground=[[i, j, k]], uncertainty="adapters")
        assert refused.status == 422 and "of tiny there are 1" in refused.facts["detail"]
        store.promote(store.put(adapter(base, 2)), "test")
        maps = {}
        for wish in ("stability", "adapters"):
            answer = server.click("l", foreground=[[i, j, k]], uncertainty=wish)
            told = answer.facts["uncertainty"]
            assert answer.facts["adapter"] == store.pointer().promoted[0] and told["measure"] == wish
            maps[wish] = unpacked(told, truth.shape)
            assert maps[wish].any() and not np.delete(maps[wish], k, axis=2).any()
        assert (maps["stability"] != maps["adapters"]).any()
    finally:
        server.restart()
