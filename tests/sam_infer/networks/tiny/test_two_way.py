"""The transformer whose places are not projected gives what SAM's own code gives."""

from __future__ import annotations

import torch

from sam_infer.networks.sam_modules import TwoWayTransformer
from sam_infer.networks.tiny.two_way import two_way


@torch.inference_mode()
def test_places_need_no_projection(one_thread: None) -> None:
    """With few tokens and with many."""
    draw = torch.Generator().manual_seed(0)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        transformer = TwoWayTransformer(depth=2, embedding_dim=32, num_heads=4, mlp_dim=64).eval()
    for count in (1, 9):
        places, tokens = (torch.randn(2, many, 32, generator=draw) for many in (64, count))
        position = torch.randn(1, 64, 32, generator=draw)
        found = two_way(transformer, places, position, tokens)
        as_maps = (one.transpose(1, 2).unflatten(2, (8, 8)) for one in (places, position.expand(2, -1, -1)))
        for one, other in zip(found, transformer(*as_maps, tokens), strict=True):
            assert torch.allclose(one, other, atol=1e-4)
