"""The optimizer's steps and state are the stock one's, bit for bit."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from sam_infer.networks.optimizer import PlainAdamW


def trained(kind: type[torch.optim.AdamW], fused: bool) -> tuple[Tensor, dict[str, object]]:
    """Weights and state after five steps, the last three on a loaded state and with a second group."""
    torch.manual_seed(0)
    one, two = torch.nn.Linear(4, 3), torch.nn.Linear(3, 2)

    def made() -> torch.optim.AdamW:
        optimizer = kind(one.parameters(), 0.1, weight_decay=0.01, fused=fused)
        optimizer.add_param_group({"params": two.parameters(), "lr": 0.01})
        return optimizer

    optimizer = made()
    for step in range(5):
        if step == 2:
            state = optimizer.state_dict()
            optimizer = made()
            optimizer.load_state_dict(state)
        optimizer.zero_grad()
        two(one(torch.ones(2, 4) + step)).square().sum().backward()
        optimizer.step()
    return torch.cat([one.weight.flatten(), two.weight.flatten()]), optimizer.state_dict()


@pytest.mark.parametrize("fused", [False, True])
def test_steps_and_state_are_those_of_the_stock_optimizer(fused: bool) -> None:
    expected, state = trained(torch.optim.AdamW, fused)
    found, same = trained(PlainAdamW, fused)
    assert torch.equal(found, expected)
    assert str(same) == str(state)
