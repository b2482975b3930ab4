"""What a kind of adapter is: tensors under one prefix, and what they do to a network."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, TypeVar

import torch
from torch import Tensor, nn

from sam_infer.errors import AdapterError
from sam_infer.weights.fingerprint import Tensors

M = TypeVar("M", bound=nn.Module)


class Kind(Protocol):
    """Tensors whose names in an adapter's file start with `prefix` and a slash; methods get names without these.

    A kind merges (other weights, the same network), inserts (modules around the same weights), both, or neither, where
    its tensors belong to something that stands beside the network. What it leaves out changes nothing.

    Three rules for kinds that insert keep the served network's identity right. A name goes on with the path of what it
    changes, as in `image_encoder.blocks.0.attn/down.weight`: under the encoder's names, `encode` changes, and
    embeddings that were cached without the adapter are not used. All that a kind needs to know (widths, scales, how
    many slices) is in its tensors and their shapes: equal tensors, equal answers. And what is meant for images of one
    tag only (a site, a view) has `/tag=TAG/` in its name: a network that serves images of a tag is made without what
    is meant for others, so its identity is its own.
    """

    @property
    def prefix(self) -> str:
        """The first part of its tensors' names."""
        ...

    @property
    def inserts(self) -> bool:
        """Whether `insert` changes the network: then its tensors are part of the network's identity."""
        ...

    def check(self, tensors: Tensors) -> None:
        """Refuse tensors that fit no network, with an AdapterError; called when an adapter is made or read."""
        ...

    def merge(self, weights: Tensors, tensors: Tensors) -> Tensors:
        """A network's weights with the tensors in them, the ones given left as they are; they must fit."""
        ...

    def insert(self, network: nn.Module, tensors: Tensors, told: Told) -> Mapping[str, nn.Parameter]:
        """Add modules made of the tensors to a network whose weights are merged; they must fit.

        Returns what can train in them, by the tensors' names.
        """
        ...


class Inserting(Kind, Protocol):
    """A kind that a training can begin with: trainer and server insert the same modules."""

    def begin(self, network: nn.Module, form: Form) -> dict[str, Tensor]:
        """Tensors that change nothing yet, or an AdapterError where the network has no place for them.

        Drawn from torch's own generator, on the network's device; on the meta device they are shapes only.
        """
        ...


@dataclass(frozen=True)
class Form:
    """What a training may choose of a kind; every kind takes what it knows of it."""

    rank: int = 4  # of low-rank changes
    width: int = 0  # of what is inserted; 0: a share of the network's own
    slices: int = 1  # that the encoder looks at: odd
    decoder: bool = False  # insert into the mask decoder's blocks too
    tags: tuple[str, ...] = ()  # that images can have


@dataclass
class Told:
    """What is known of the images that a network is being shown: their tag, which those shown together share."""

    tag: str = ""


TAG = "tag="


def require(fits: bool, name: str) -> None:
    """Refuse a tensor that does not fit the network."""
    if not fits:
        raise AdapterError(f"the adapter does not fit the network: {name}")


def require_whole(whole: bool, what: str) -> None:
    """Refuse a file that lacks tensors."""
    if not whole:
        raise AdapterError(f"the adapter is not whole: {what} lacks tensors")


def module_at(network: nn.Module, path: str) -> nn.Module:
    """The part of a network that a name starts with, for kinds that insert."""
    try:
        return network.get_submodule(path)
    except AttributeError:
        raise AdapterError(f"the adapter does not fit the network: it has no {path}") from None


def put_at(network: nn.Module, path: str, module: nn.Module) -> None:
    """Have a network use a module in the place of the one at `path`."""
    parent, _, child = path.rpartition(".")
    setattr(module_at(network, parent), child, module)


def by_place(tensors: Tensors) -> dict[str, dict[str, Tensor]]:
    """Tensors by the path of what they change, their names without it."""
    places: dict[str, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        place, _, rest = name.partition("/")
        require(bool(rest), name)
        places.setdefault(place, {})[rest] = tensor
    return places


def under(tensors: Tensors, name: str) -> dict[str, Tensor]:
    """The tensors whose names go on after a name and a slash, without these."""
    return {key.removeprefix(f"{name}/"): value for key, value in tensors.items() if key.startswith(f"{name}/")}


def tagged(tensors: Tensors) -> dict[str, dict[str, Tensor]]:
    """Of the tensors at one place those that are meant for a tag, by the tag."""
    parts = [name.partition("/")[0] for name in tensors if name.startswith(TAG)]
    return {part.removeprefix(TAG): under(tensors, part) for part in sorted(set(parts))}


def filled(module: M, tensors: Tensors, place: str) -> M:
    """A module whose parameters are the tensors; they must be all of them, in the right shapes."""
    try:
        module.load_state_dict(dict(tensors), assign=True)
    except RuntimeError:
        raise AdapterError(f"the adapter does not fit the network: {place}") from None
    return module


def named(module: nn.Module, place: str) -> dict[str, nn.Parameter]:
    """A module's parameters by their names in the file."""
    return {f"{place}/{name}": value for name, value in module.named_parameters()}


def drawn(like: Tensor, *shape: int, fan_in: int = 0) -> Tensor:
    """Numbers within one over the root of `fan_in`, zeros without one, where `like` is.

    Drawn on the CPU: a seed means the same numbers on every device.
    """
    if like.is_meta or not fan_in:
        return torch.zeros(shape, device=like.device)
    bound = fan_in**-0.5
    return torch.empty(shape).uniform_(-bound, bound).to(like.device)
