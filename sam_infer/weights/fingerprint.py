"""Fingerprint (content hash) of weights: equal tensors, equal fingerprints, whatever file they came from."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

import torch

Tensors = Mapping[str, torch.Tensor]


@dataclass(frozen=True)
class Fingerprint:
    """Hashes (SHA-256, hex) of all weights, and of what determines `encode`."""

    weights: str
    encoder: str

    @classmethod
    def of(cls, tensors: Mapping[str, torch.Tensor], encoder: tuple[str, ...], preprocessing: str) -> Fingerprint:
        """The fingerprint of tensors; those whose names start with one of `encoder` are the encoder's."""
        digests = {name: _digest(name, tensor) for name, tensor in tensors.items()}
        encoding = [digests[name] for name in sorted(digests) if name.startswith(encoder)]
        return cls(_joined([digests[name] for name in sorted(digests)]), _joined([preprocessing.encode(), *encoding]))


def _digest(name: str, tensor: torch.Tensor) -> bytes:
    plain = tensor.detach().cpu().contiguous()
    state = hashlib.sha256(f"{name}|{plain.dtype}|{tuple(plain.shape)}|".encode())
    state.update(plain.reshape(-1).view(torch.uint8).numpy().data)
    return state.digest()


def _joined(parts: list[bytes]) -> str:
    return hashlib.sha256(b"|".join(parts)).hexdigest()
