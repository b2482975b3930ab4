"""`order` says how foreground and background clicks alternated."""

from __future__ import annotations

from typing import Any

import pytest

from sam_infer.errors import PromptError
from sam_trainer.synthetic.patients import grid
from samlabel.label_names import LabelNames
from samlabel.wire.click_order import decode_order
from samlabel.wire.slice_request import decode

A, B, C, D = [1, 1, 4], [2, 2, 4], [3, 3, 4], [9, 9, 4]


def test_turns_follow_the_order_and_points_sent_twice_count_once() -> None:
    assert decode_order({"foreground": [A, B, C], "background": [D], "order": [1, 0, 1, 1]}).tolist() == [0, 2, 3, 1]
    assert decode_order({"foreground": [A, B, A], "order": [1, 1, 1]}).tolist() == [0, 1]
    assert decode_order({"foreground": [A]}).tolist() == decode_order({"foreground": [A], "order": []}).tolist() == []


def test_the_prompts_of_a_request_know_their_turns() -> None:
    request = {"foreground": [B, A], "background": [D], "order": [1, 0, 1]}
    prompts = decode(request, grid((16, 16, 8), (1.0, 1.0, 2.0)), LabelNames()).question.prompts
    assert (prompts.points.tolist(), prompts.turns.tolist()) == ([A, B, D], [2, 0, 1])
    untold = decode({**request, "order": None}, grid((16, 16, 8), (1.0, 1.0, 2.0)), LabelNames()).question.prompts
    assert untold.turns.tolist() == [1, 0, 2]


@pytest.mark.parametrize("order", ["11", [1, 2], [True], [1, 1], [0], {"a": 1}])
def test_an_order_that_fits_no_clicks_is_refused(order: Any) -> None:
    with pytest.raises(PromptError, match="order") as caught:
        decode_order({"foreground": [A], "order": order})
    assert caught.value.field == "order"
