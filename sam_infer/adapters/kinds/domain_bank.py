"""Kind `domain_bank`: corrections for all images, and more for those of one domain (UN-SAM, arXiv 2402.16663).

    domain_bank/image_encoder.blocks.N.mlp/shared/...        a bottleneck beside the MLP, for every image
    domain_bank/image_encoder.blocks.N.mlp/tag=DOMAIN/...    another one, for images of this domain
    domain_bank/mask_decoder.transformer/tag=DOMAIN/query    (width,) added to the decoder's own tokens

A domain is a site, a scanner or a modality. A network serves one domain: it is made of the shared part and of this
domain's, and of the shared part alone for a domain that was not taught (`registry.for_tag`). So a wrong part is never
mixed in, and embeddings of one domain are not another's.

UN-SAM doubles the MLP for all domains and gives each a bottleneck beside it; the shared part is a bottleneck here too,
with zeros in every `up`, so that the network begins as itself. Its query is one more token, which would take part in
every attention before it has learned anything: here it begins with zeros and is added. It cannot be merged.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from sam_infer.adapters.kinds.blocks import TRANSFORMER, add_to_own_tokens, encoder_blocks, require_width
from sam_infer.adapters.kinds.bottleneck import BESIDE, Bottleneck, check_bottleneck, fresh_bottleneck
from sam_infer.adapters.kinds.kind import (
    TAG,
    Form,
    Told,
    by_place,
    drawn,
    module_at,
    named,
    put_at,
    require,
    require_whole,
    tagged,
    under,
)
from sam_infer.weights.fingerprint import Tensors

DOMAIN_BANK = "domain_bank"
SHARED, QUERY = "shared", "query"


class BankMlp(nn.Module):
    """An MLP with a correction for all images and one for those of the domain that is told."""

    def __init__(self, layer: nn.Module, shared: Bottleneck, own: Mapping[str, Bottleneck], told: Told) -> None:
        super().__init__()
        self.layer, self.shared = layer, shared
        self.own = nn.ModuleList(own.values())
        self._place = {tag: number for number, tag in enumerate(own)}
        self._told = told

    def forward(self, x: Tensor) -> Tensor:
        """The layer's answer, corrected."""
        said: Tensor = self.layer(x) + BESIDE * self.shared(x)
        place = self._place.get(self._told.tag)
        return said if place is None else said + BESIDE * self.own[place](x)


class TagVector(nn.Module):
    """The vector of the tag that is told; zeros for one that was not taught."""

    def __init__(self, vectors: Mapping[str, Tensor], width: int, told: Told) -> None:
        super().__init__()
        self.vectors = nn.ParameterList(nn.Parameter(vector) for vector in vectors.values())
        self._place = {tag: number for number, tag in enumerate(vectors)}
        self._width, self._told = width, told

    def forward(self, image: Tensor) -> Tensor:
        """The embedding (N, C, h, w) only says how many: (1, C)."""
        place = self._place.get(self._told.tag)
        return image.new_zeros(1, self._width) if place is None else self.vectors[place][None]

    def named(self, name: str) -> dict[str, nn.Parameter]:
        """The vectors by their names in the file."""
        return {f"{TRANSFORMER}/{TAG}{tag}/{name}": self.vectors[place] for tag, place in self._place.items()}


class DomainBankKind:
    """See `Inserting`."""

    prefix = DOMAIN_BANK
    inserts = True

    def check(self, tensors: Tensors) -> None:
        """At every place a shared bottleneck and one for each domain; a query for each domain."""
        places = by_place(tensors)
        queries = tagged(places.pop(TRANSFORMER, {}))
        require_whole(bool(places), DOMAIN_BANK)
        for place, part in places.items():
            check_bottleneck(under(part, SHARED), f"{place}/{SHARED}")
            own = tagged(part)
            require_whole(own.keys() == queries.keys(), f"{DOMAIN_BANK} at {place}")
            for tag, theirs in own.items():
                check_bottleneck(theirs, f"{place}/{TAG}{tag}")
        check_vectors(queries, QUERY)

    def merge(self, weights: Tensors, tensors: Tensors) -> Tensors:
        """The weights as they are."""
        return weights

    def begin(self, network: nn.Module, form: Form) -> dict[str, Tensor]:
        """A shared bottleneck and one for each tag, at every block of the encoder."""
        tensors: dict[str, Tensor] = {}
        for place in encoder_blocks(network, DOMAIN_BANK):
            for who in (SHARED, *(f"{TAG}{tag}" for tag in form.tags)):
                tensors |= fresh_bottleneck(f"{place.path}.mlp/{who}", place.qkv, form.width)
        return tensors | fresh_vectors(network, form.tags, QUERY)

    def insert(self, network: nn.Module, tensors: Tensors, told: Told) -> Mapping[str, nn.Parameter]:
        """Beside every MLP that is named, and before the decoder's transformer."""
        places = by_place(tensors)
        trains: dict[str, nn.Parameter] = {}
        vectors = insert_vectors(network, DOMAIN_BANK, tagged(places.pop(TRANSFORMER, {})), QUERY, told)
        for place, part in places.items():
            shared = Bottleneck.of(under(part, SHARED), place)
            own = {tag: Bottleneck.of(theirs, place) for tag, theirs in tagged(part).items()}
            for one in (shared, *own.values()):
                require_width(network, place, one.down.in_features)
            put_at(network, place, BankMlp(module_at(network, place), shared, own, told))
            trains |= named(shared, f"{place}/{SHARED}")
            for tag, adapter in own.items():
                trains |= named(adapter, f"{place}/{TAG}{tag}")
        return trains | vectors.named(QUERY)


def fresh_vectors(network: nn.Module, tags: tuple[str, ...], name: str) -> dict[str, Tensor]:
    """A vector of zeros for each tag, to be added to a decoder's own tokens."""
    like = network.get_parameter(f"{TRANSFORMER}.norm_final_attn.weight")
    return {f"{TRANSFORMER}/{TAG}{tag}/{name}": drawn(like, len(like)) for tag in tags}


def check_vectors(found: Mapping[str, Tensors], name: str) -> None:
    """Refuse what is not one vector for each tag."""
    for tag, part in found.items():
        require_whole(part.keys() == {name}, f"{TAG}{tag}")
        require(part[name].ndim == 1, f"{TAG}{tag}")


def insert_vectors(network: nn.Module, kind: str, found: Mapping[str, Tensors], name: str, told: Told) -> TagVector:
    """Have the decoder's own tokens hear the vector of the tag that is told."""
    width = len(network.get_parameter(f"{TRANSFORMER}.norm_final_attn.weight"))
    vectors = {tag: torch.as_tensor(part[name]) for tag, part in found.items()}
    for tag, vector in vectors.items():
        require(len(vector) == width, f"{TAG}{tag}")
    module = TagVector(vectors, width, told)
    add_to_own_tokens(network, kind, module)
    return module
