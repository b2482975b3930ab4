"""Every kind of adapter, and how an adapter's tensors change a network: merged first, then inserted, in this order."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import torch
from torch import nn

from sam_infer.adapters.kinds.bottleneck import BOTTLENECK, BottleneckKind
from sam_infer.adapters.kinds.cine import CINE, CineKind
from sam_infer.adapters.kinds.dense_prompt import DENSE_PROMPT, DensePromptKind
from sam_infer.adapters.kinds.domain_bank import DOMAIN_BANK, DomainBankKind
from sam_infer.adapters.kinds.fact3d import FACT3D, Fact3dKind
from sam_infer.adapters.kinds.hyper import HYPER, HyperKind
from sam_infer.adapters.kinds.kind import TAG, Inserting, Kind, Told
from sam_infer.adapters.kinds.lora_conv import LORA_CONV, LoraConvKind
from sam_infer.adapters.kinds.low_rank import LOW_RANK, LowRank
from sam_infer.adapters.kinds.sdtrans import SDTRANS, SdTransKind
from sam_infer.adapters.kinds.semantic import Semantic
from sam_infer.adapters.kinds.unet import UNetKind
from sam_infer.adapters.kinds.value import VALUE, Value
from sam_infer.errors import AdapterError
from sam_infer.networks.naming.semantic_head import SEMANTIC
from sam_infer.networks.naming.unet import UNET
from sam_infer.weights.fingerprint import Tensors

# By prefix, in the order in which they are applied: a replaced parameter may get a low-rank change on top.
INSERTING: Mapping[str, Inserting] = {
    BOTTLENECK: BottleneckKind(),
    DENSE_PROMPT: DensePromptKind(),
    FACT3D: Fact3dKind(),
    SDTRANS: SdTransKind(),
    LORA_CONV: LoraConvKind(),
    DOMAIN_BANK: DomainBankKind(),
    CINE: CineKind(),
    HYPER: HyperKind(),
}

# Which of an image's tags a kind goes by that holds something for images of one tag.
FACETS: Mapping[str, str] = {DOMAIN_BANK: "domain", CINE: "view"}

KINDS: Mapping[str, Kind] = {
    VALUE: Value(),
    LOW_RANK: LowRank(),
    SEMANTIC: Semantic(),
    UNET: UNetKind(),
    **INSERTING,
}


def by_kind(tensors: Tensors) -> list[tuple[Kind, dict[str, torch.Tensor]]]:
    """An adapter's tensors by what they are, in the registry's order, their names without the prefix."""
    parts: dict[str, dict[str, torch.Tensor]] = {prefix: {} for prefix in KINDS}
    for name, tensor in tensors.items():
        prefix, _, rest = name.partition("/")
        if prefix not in parts or not rest:
            raise AdapterError(f"the adapter holds {name!r}, which this version does not know {_known()}")
        parts[prefix][rest] = tensor
    return [(KINDS[prefix], part) for prefix, part in parts.items() if part]


def require_known(kinds: Iterable[str]) -> None:
    """Refuse kinds that this version has not learned, by name."""
    strange = sorted(set(kinds) - set(KINDS))
    if strange:
        raise AdapterError(f"the adapter is of kind {', '.join(strange)}, which this version does not know {_known()}")


def merged(weights: Tensors, tensors: Tensors) -> dict[str, torch.Tensor]:
    """A base network's weights with an adapter's tensors in them; what they leave alone is shared, not copied."""
    result = weights
    for kind, part in by_kind(tensors):
        result = kind.merge(result, part)
    return dict(result)


def merged_alone(weights: Tensors, tensors: Tensors) -> dict[str, torch.Tensor]:
    """The same, for whoever wants plain weights: refused where a kind cannot be written as weights."""
    kept = [kind.prefix for kind, _ in by_kind(tensors) if kind.inserts]
    if kept:
        raise AdapterError(
            f"an adapter of kind {', '.join(kept)} cannot be merged into weights: it inserts layers into the network",
            "adapter",
        )
    return merged(weights, tensors)


def for_tag(tensors: Tensors, tag: str) -> dict[str, torch.Tensor]:
    """The tensors that work on images of a tag: what is meant for all, and what is meant for these."""
    return {name: tensor for name, tensor in tensors.items() if tag_of(name) in (None, tag)}


def tags_of(tensors: Tensors) -> list[str]:
    """The tags that an adapter was taught, in alphabetical order."""
    return sorted({tag for tag in map(tag_of, tensors) if tag is not None})


def facet_of(tensors: Tensors) -> str:
    """Which of an image's tags an adapter goes by; nothing where it was taught none."""
    prefixes = {name.partition("/")[0] for name in tensors if tag_of(name) is not None}
    return next((facet for prefix, facet in FACETS.items() if prefix in prefixes), "")


def tag_of(name: str) -> str | None:
    """The tag that a tensor is meant for; None: any."""
    return next((part.removeprefix(TAG) for part in name.split("/") if part.startswith(TAG)), None)


def insert(network: nn.Module, tensors: Tensors, tag: str = "") -> None:
    """Add to a network with `merged` weights the modules that an adapter's tensors mean for images of a tag."""
    for kind, part in by_kind(for_tag(tensors, tag)):
        if kind.inserts:
            kind.insert(network, part, Told(tag))


def inserted(tensors: Tensors) -> dict[str, torch.Tensor]:
    """What an adapter adds to a network beside its weights, by names that begin with what is changed there."""
    parts = [(kind, part) for kind, part in by_kind(tensors) if kind.inserts]
    return {f"{name}|{kind.prefix}": tensor for kind, part in parts for name, tensor in part.items()}


def _known() -> str:
    return f"(it knows {', '.join(sorted(KINDS))}): update samlabel"
