"""An adapter: the weights (LoRA and others) that training changed in one base network, with their provenance.

One file, safetensors, whose header carries the provenance as JSON. The file's SHA-256 is the adapter's id: the same
labels, settings and seed give the same bytes, and a changed byte is another adapter.

What a tensor does to the network is the matter of its kind, which its name begins with: see `kinds/`. Files whose
tensors are all of the first kinds (`low_rank`, `value`, `semantic`) are written in format 1, as they were before there
were others, so that their ids stay. All others are written in format 2, whose header names the kinds: a reader without
one of them refuses the file and says which.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save

from sam_infer.adapters.kinds.low_rank import LOW_RANK
from sam_infer.adapters.kinds.registry import by_kind, require_known
from sam_infer.adapters.kinds.value import VALUE
from sam_infer.errors import AdapterError
from sam_infer.networks.naming.semantic_head import SEMANTIC
from sam_infer.weights.available import SHOWN_DIGITS
from sam_infer.weights.fingerprint import Tensors

FORMAT, FORMAT_WITH_KINDS = 1, 2

# Keys of `metrics`: which of two networks names labels, and why.
NAMED_BY, NAMED_WHY = "named_by", "named_why"

# The kinds that a file of format 1 may hold.
FIRST_KINDS = frozenset({VALUE, LOW_RANK, SEMANTIC})


@dataclass(frozen=True)
class TaughtCase:
    """One case that an adapter learned from, or was judged on."""

    case: str
    label_sha256: str
    part: str  # train, validation or held_out


@dataclass(frozen=True)
class Provenance:
    """Where an adapter comes from; everything that training depended on."""

    model: str
    base: str  # hash of the base network's weights
    method: str
    settings: Mapping[str, Any]
    seed: int
    labels: tuple[str, ...]
    cases: tuple[TaughtCase, ...]
    metrics: Mapping[str, Any] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)

    @property
    def named_why(self) -> str:
        """Why what names labels in this adapter was chosen; empty where there was nothing to choose."""
        return str(self.metrics.get(NAMED_WHY, ""))

    def text(self, kinds: Collection[str]) -> str:
        """As JSON that does not depend on the order in which anything was added; `kinds` are the tensors'."""
        header: dict[str, Any] = {"format": FORMAT}
        if not FIRST_KINDS.issuperset(kinds):
            header = {"format": FORMAT_WITH_KINDS, "kinds": sorted(kinds)}
        return json.dumps({**header, **asdict(self)}, sort_keys=True)

    @classmethod
    def of(cls, text: str) -> Provenance:
        """What `text` wrote, or AdapterError."""
        try:
            facts = json.loads(text)
            version = facts.pop("format")
            if version == FORMAT_WITH_KINDS:
                require_known(facts.pop("kinds"))
            elif version != FORMAT:
                known = f"{FORMAT} and {FORMAT_WITH_KINDS}"
                raise AdapterError(f"the adapter has format {version}, this version reads {known}: update samlabel")
            facts["cases"] = tuple(TaughtCase(**case) for case in facts["cases"])
            facts["labels"] = tuple(facts["labels"])
            return cls(**facts)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise AdapterError(f"the adapter does not say where it comes from ({error!r}): train it again") from error


@dataclass(frozen=True, eq=False)
class Adapter:
    """Tensors and provenance; two adapters are the same when their ids are."""

    tensors: Tensors
    provenance: Provenance

    def __post_init__(self) -> None:
        if not self.tensors:
            raise AdapterError("the adapter changes nothing: it holds no tensors")
        for name, tensor in self.tensors.items():
            if not tensor.numel():
                raise AdapterError(f"the adapter holds an empty tensor, {name}: train it again")
            if not torch.isfinite(tensor).all():
                raise AdapterError(f"the adapter holds values that are not finite, in {name}: train it again")
        for kind, part in by_kind(self.tensors):
            kind.check(part)

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds of its tensors, in the order in which they are applied."""
        return tuple(kind.prefix for kind, _ in by_kind(self.tensors))

    def to_bytes(self) -> bytes:
        """The adapter's file."""
        tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in self.tensors.items()}
        return save(tensors, metadata={"provenance": self.provenance.text(self.kinds)})

    @classmethod
    def from_bytes(cls, data: bytes) -> Adapter:
        """The adapter in a file, or AdapterError with one sentence on why not."""
        try:
            tensors = load(data)
            header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
        except (SafetensorError, ValueError) as error:
            raise AdapterError(f"the adapter's file is truncated or damaged ({error})") from error
        # before the tensors: of kinds that this version does not know, the header says more
        provenance = Provenance.of(header.get("__metadata__", {}).get("provenance", ""))
        return cls(tensors, provenance)

    def require_base(self, model: str, weights_id: str) -> None:
        """Refuse to be merged into another network than the one it was trained on."""
        made_for = self.provenance
        if made_for.model != model:
            raise AdapterError(
                f"the adapter was trained for {made_for.model}, not for {model}: serve it with --model "
                f"{made_for.model}, or train one for {model}",
                "adapter",
            )
        if made_for.base != weights_id:
            raise AdapterError(
                f"the adapter was trained on other weights of {model} ({made_for.base[:SHOWN_DIGITS]}) than the ones "
                f"here ({weights_id[:SHOWN_DIGITS]}): train it again with `samlabel train`",
                "adapter",
            )


def content_id(data: bytes) -> str:
    """An adapter file's id."""
    return hashlib.sha256(data).hexdigest()
