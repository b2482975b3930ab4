"""An adapter: the weights (LoRA and others) that training changed in one base network, with their provenance.

One file, safetensors, whose header carries the provenance as JSON. The file's SHA-256 is the adapter's id: the same
labels, settings and seed give the same bytes, and a changed byte is another adapter. Tensors are of three kinds:

    low_rank/PARAMETER/PART/a   (rank, columns)  }  b @ a is added to the rows PART of PARAMETER: q, k and v are the
    low_rank/PARAMETER/PART/b   (rows, rank)     }  thirds of a fused projection, `all` is every row
    value/PARAMETER             takes the place of PARAMETER
    semantic/label/LABEL        (width,)         }  the prompt-free head beside the network: a query per label, and
    semantic/value/PARAMETER                     }  its own parameters; see `semantic_head.py`

A parameter's name is the one in the base network's state dict, or in the head's.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save

from sam_infer.errors import AdapterError
from sam_infer.networks.semantic_head import SEMANTIC_LABEL, SEMANTIC_VALUE
from sam_infer.weights.fingerprint import SHOWN_DIGITS, Tensors

FORMAT = 1
LOW_RANK, VALUE = "low_rank", "value"
THIRDS = ("q", "k", "v")
ALL_ROWS = "all"


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

    def text(self) -> str:
        """As JSON that does not depend on the order in which anything was added."""
        return json.dumps({"format": FORMAT, **asdict(self)}, sort_keys=True)

    @classmethod
    def of(cls, text: str) -> Provenance:
        """What `text` wrote, or AdapterError."""
        try:
            facts = json.loads(text)
            version = facts.pop("format")
            if version != FORMAT:
                raise AdapterError(f"the adapter has format {version}, this version reads {FORMAT}: update samlabel")
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
            if not name.startswith((f"{LOW_RANK}/", f"{VALUE}/", SEMANTIC_LABEL, SEMANTIC_VALUE)):
                raise AdapterError(f"the adapter holds {name!r}, which this version does not know: update samlabel")
            if not torch.isfinite(tensor).all():
                raise AdapterError(f"the adapter holds values that are not finite, in {name}: train it again")

    def to_bytes(self) -> bytes:
        """The adapter's file."""
        tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in self.tensors.items()}
        return save(tensors, metadata={"provenance": self.provenance.text()})

    @classmethod
    def from_bytes(cls, data: bytes) -> Adapter:
        """The adapter in a file, or AdapterError with one sentence on why not."""
        try:
            tensors = load(data)
            header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
        except (SafetensorError, ValueError) as error:
            raise AdapterError(f"the adapter's file is truncated or damaged ({error})") from error
        return cls(tensors, Provenance.of(header.get("__metadata__", {}).get("provenance", "")))

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


def low_rank_name(parameter: str, part: str, factor: str) -> str:
    """What one factor of a low-rank change is called in the file."""
    return f"{LOW_RANK}/{parameter}/{part}/{factor}"


def value_name(parameter: str) -> str:
    """What a replaced parameter is called in the file."""
    return f"{VALUE}/{parameter}"


def rows_of(part: str, rows: int) -> slice:
    """The rows of a parameter that a part means."""
    if part == ALL_ROWS:
        return slice(0, rows)
    if part not in THIRDS or rows % 3:
        raise AdapterError(f"{part!r} is no part of {rows} rows")
    third = rows // 3
    start = THIRDS.index(part) * third
    return slice(start, start + third)


def merged(weights: Tensors, adapter: Adapter) -> dict[str, torch.Tensor]:
    """The base network's weights with the adapter in them; what it leaves alone is shared, not copied."""
    result = dict(weights)
    for name, tensor in _of_kind(adapter.tensors, VALUE):
        _require(name in weights and weights[name].shape == tensor.shape, name)
        result[name] = tensor.to(weights[name].dtype)
    changed: set[str] = set()
    for name, a in _of_kind(adapter.tensors, LOW_RANK):
        place, _, factor = name.rpartition("/")
        if factor != "a":
            continue
        parameter, _, part = place.rpartition("/")
        b = adapter.tensors.get(f"{LOW_RANK}/{place}/b")
        if b is None or parameter not in weights:
            raise AdapterError(f"the adapter does not fit the network: {name}")
        if parameter not in changed:
            result[parameter] = result[parameter].clone()
            changed.add(parameter)
        # only these rows are touched: what is not adapted keeps every bit
        rows = result[parameter][rows_of(part, len(result[parameter]))]
        _require(b.shape[1] == a.shape[0] and rows.shape == (b.shape[0], a.shape[1]), name)
        rows += (b @ a).to(rows.dtype)
    return result


def _of_kind(tensors: Tensors, kind: str) -> Iterator[tuple[str, torch.Tensor]]:
    """Names without their kind, in order, and tensors."""
    prefix = f"{kind}/"
    for name in sorted(tensors):
        if name.startswith(prefix):
            yield name.removeprefix(prefix), tensors[name]


def _require(fits: bool, name: str) -> None:
    if not fits:
        raise AdapterError(f"the adapter does not fit the network: {name}")
