"""Optimizer (AdamW) without torch's compiler, which the stock one imports before its first step.

That import takes seven seconds of a processor in every process that trains, and nothing here compiles a step. Torch
keeps the compiler off by wrapping these methods; without their wrappers they are the same methods.
"""

from __future__ import annotations

from inspect import unwrap

import torch
from torch.optim import AdamW


class PlainAdamW(AdamW):
    """AdamW for steps that nobody compiles; numbers and saved state are AdamW's."""

    add_param_group = unwrap(AdamW.add_param_group)
    load_state_dict = unwrap(AdamW.load_state_dict)
    state_dict = unwrap(AdamW.state_dict)
    step = torch.no_grad()(unwrap(AdamW.step))
    zero_grad = unwrap(AdamW.zero_grad)
