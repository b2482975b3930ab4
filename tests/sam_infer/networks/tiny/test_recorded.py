"""Recorded operations: used once they answer exactly as the network, and only then."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from sam_infer.networks.backbone import Hints
from sam_infer.networks.tiny import recorded
from sam_infer.networks.tiny.backbone import TinyBackbone
from sam_infer.networks.tiny.recorded import OFTEN, Recorded
from tests.processes import wait_until

NOBODY = (np.zeros((0, 2), np.float32), np.zeros(0, np.int64))
BOX = np.array([20, 30, 100, 120], np.float32)
MASK = np.random.default_rng(3).normal(size=(64, 64)).astype(np.float32)
POINTS = np.array([[128, 100], [90, 90], [120, 130]], np.float32), np.array([1, 0, 1])
ASKED = [
    Hints(*NOBODY, BOX),
    Hints(np.full((1, 2), 128, np.float32), np.ones(1, np.int64)),
    Hints(*POINTS, None, MASK),
    Hints(*NOBODY, None, MASK),
]
# Never among those that are compared when it is recorded.
LATER = [Hints(POINTS[0][:2], POINTS[1][:2], BOX), Hints(np.tile(POINTS[0], (3, 1)), np.tile(POINTS[1], 3), BOX, MASK)]


def test_a_recorded_decode_is_the_decode_bit_for_bit(one_thread: None) -> None:
    backbone, plain = TinyBackbone.embedded(), TinyBackbone.embedded()
    picture = np.random.default_rng(0).integers(0, 255, (1, 256, 256, 3), np.uint8)
    features = backbone.encode(picture)
    for n in range(OFTEN):
        backbone.decode(features, ASKED[n % len(ASKED)])
        if n:
            backbone.encode(picture)
    decoder, encoder = backbone._decoder, backbone._encoder
    assert isinstance(decoder, Recorded) and isinstance(encoder, Recorded)
    wait_until(lambda: decoder.is_ready and encoder.is_ready, "both are recorded")
    for hints in [*ASKED, *LATER]:
        wanted, found = plain.decode(features, hints), backbone.decode(features, hints)
        np.testing.assert_array_equal(wanted.logits, found.logits)
        np.testing.assert_array_equal(wanted.scores, found.scores)
        assert wanted.preferred == found.preferred
    for name, values in plain.encode(picture).items():
        assert torch.equal(values, backbone.encode(picture)[name])
    two = [picture, picture[:, ::-1]]  # a batch of a size that was never asked
    for wanted, found in zip(plain.encode_all(two), backbone.encode_all(two), strict=True):
        assert all(torch.equal(wanted[name], found[name]) for name in wanted)


class Fickle(nn.Module):
    """Decides in Python, which no recording repeats."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(1), requires_grad=False)

    def forward(self, x: Tensor) -> tuple[Tensor]:
        return (x * self.weight if len(x) > 1 else x - self.weight,)


def test_what_a_recording_would_miss_keeps_it_out(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    monkeypatch.setattr(recorded.log, "warning", lambda sentence, **_: said.append(sentence))
    part = Recorded(Fickle().eval())
    with torch.inference_mode():
        for n in range(OFTEN):
            part(torch.ones(1 + n % 2))
        wait_until(lambda: said, "it was compared")
        assert not part.is_ready and "differs" in said[0]
        assert part(torch.ones(1))[0].item() == 0


def test_what_is_asked_seldom_is_not_recorded() -> None:
    part = Recorded(Fickle().eval())
    with torch.inference_mode():
        for _ in range(OFTEN - 1):
            part(torch.ones(1))
    assert not part._started
