"""Optimizers (Adam, AdamW) without torch's compiler, which the stock one imports before its first step.

That import takes seven seconds of a processor in every process that trains, and nothing here compiles a step. Torch
keeps the compiler off by wrapping these methods; without their wrappers they are the same methods.
"""

from __future__ import annotations

from inspect import unwrap

import torch
from torch.optim import Adam, AdamW


class PlainAdam(Adam):
    """Adam for steps that nobody compiles; numbers and saved state are Adam's."""

    add_param_group = unwrap(Adam.add_param_group)
    load_state_dict = unwrap(Adam.load_state_dict)
    state_dict = unwrap(Adam.state_dict)
    step = torch.no_grad()(unwrap(Adam.step))
    zero_grad = unwrap(Adam.zero_grad)


class PlainAdamW(PlainAdam, AdamW):
    """AdamW, which is Adam but for how it begins, in the same way."""
