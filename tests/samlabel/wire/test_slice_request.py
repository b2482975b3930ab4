"""A request is understood once: what it leaves out is said, not guessed in silence."""

from __future__ import annotations

from typing import Any

import pytest

from sam_trainer.synthetic.patients import grid
from samlabel.label_names import LabelNames
from samlabel.wire.slice_request import decode
from samlabel.wire.volume_request import decode_object

GEOMETRY = grid((16, 16, 8), (1.0, 1.0, 2.0))
SEVERAL = LabelNames(("liver", "spleen"), strict=True)


@pytest.mark.parametrize(
    ("names", "params", "label", "said"),
    [
        (SEVERAL, {}, "liver", True),  # a click on the spleen was called liver without a word
        (SEVERAL, {"label": ""}, "liver", True),
        (SEVERAL, {"label": "spleen"}, "spleen", False),
        (SEVERAL, {"label": "background"}, "liver", False),  # the row that OHIF has selected
        (LabelNames(), {}, "object", False),
        (LabelNames(), {"label": "tumour"}, "tumour", False),
    ],
)
def test_a_label_that_nobody_named_is_said(names: LabelNames, params: dict[str, Any], label: str, said: bool) -> None:
    request = {"foreground": [[8, 8, 4]], **params}
    flat, body = decode(request, GEOMETRY, names), decode_object(request, GEOMETRY, names)
    assert flat.label == label and list(body.prompts) == [label]
    for assumed in (flat.assumed, body.assumed):
        assert (assumed is not None) is said and (not said or "send label, one of liver, spleen" in str(assumed))


def test_the_device_of_the_server_may_be_named() -> None:
    import torch

    here = "cuda" if torch.cuda.is_available() else "CPU"
    for device in (here, "auto", "", None):
        assert decode({"foreground": [[8, 8, 4]], "device": device}, GEOMETRY, SEVERAL).question.index == 4
