"""Safe loading of foreign checkpoints: no pickle code runs, the architecture is recognised by its tensors.

The only place that opens anything but safetensors and known archives. A `.pth` is a pickle: it is read by torch's
restricted reader, which builds tensors and containers and refuses the rest, so a hostile file ends in a sentence, not
in its code.
"""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from pickle import UnpicklingError
from typing import Any, Literal

import torch
from safetensors import SafetensorError, safe_open

from sam_infer.errors import ModelError
from sam_infer.weights.archive import archive_of, read_archive
from sam_infer.weights.catalogue import KNOWN_ARCHIVES, KNOWN_MODELS, KnownModel
from sam_infer.weights.tensor_layout import compare, layout_of, published_layout

Kind = Literal["safetensors", "zip", "pickle", "archive"]

# Training scripts store the weights beside the optimiser's state, under one of these.
WRAPPERS = ("model", "state_dict")

FORMATS = f"a .pth, .pt or .safetensors file, or {', '.join(KNOWN_ARCHIVES)}"
READ_BYTES = 1 << 20


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """Tensors of a weight file and the file's hashes (hex)."""

    path: Path
    tensors: Mapping[str, torch.Tensor]
    sha256: str
    md5: str


def read_checkpoint(path: Path) -> Checkpoint:
    """A weight file from anywhere, or ModelError with one sentence on why not."""
    if not path.is_file():
        raise ModelError(f"there is no file {path}", "file")
    sha256, md5 = file_hashes(path)
    return Checkpoint(path, _tensors(path, sha256), sha256, md5)


def recognise(checkpoint: Checkpoint, name: str | None = None) -> KnownModel:
    """Which published model a file is, by keys and shapes; `name` says which it should be.

    MedSAM and ViT-B have the same layout: the hash tells the published files apart, the file's name all others.
    """
    found = layout_of(checkpoint.tensors)
    wanted = [_known(name)] if name is not None else list(KNOWN_MODELS.values())
    by_layout = {model.layout: compare(found, published_layout(model.layout)) for model in wanted}
    nearest = min(by_layout, key=lambda layout: len(by_layout[layout]))
    if by_layout[nearest]:
        which = f"not {name}" if name is not None else f"none of {', '.join(KNOWN_MODELS)}; nearest is {nearest}"
        raise ModelError(
            f"{checkpoint.path.name} is {which}: {by_layout[nearest]}; check that it is the right file "
            "and that it came whole",
            "file",
        )
    model = _same_layout(checkpoint, [model for model in wanted if model.layout == nearest])
    _refuse_false_name(checkpoint)
    return model


def converted(checkpoint: Checkpoint, model: KnownModel) -> dict[str, torch.Tensor]:
    """Copies of the tensors in the number types of the model's layout, all of them finite."""
    tensors = {
        # Copies: tensors of a training checkpoint may share memory, which safetensors refuses.
        key: checkpoint.tensors[key].to(spec.torch_dtype, copy=True, memory_format=torch.contiguous_format)
        for key, spec in published_layout(model.layout).items()
    }
    for key, tensor in tensors.items():
        if not torch.stack(tensor.aminmax()).isfinite().all():
            raise ModelError(f"{checkpoint.path.name} holds values that are not finite, e.g. in {key}", "file")
    return tensors


def read_safetensors(path: Path) -> dict[str, torch.Tensor]:
    """Tensors of a safetensors file, in memory of their own."""
    try:
        with safe_open(path, framework="pt") as file:
            # Copies: a mapped file that shrinks under a running server would take the server with it.
            return {name: file.get_tensor(name).clone() for name in file.keys()}
    except (SafetensorError, OSError, ValueError) as error:
        raise ModelError(f"{path.name} is truncated or damaged ({error}); get it again", "file") from error


def file_hashes(path: Path) -> tuple[str, str]:
    """SHA-256 and MD5 of a file, read once."""
    sha256, md5 = hashlib.sha256(), hashlib.md5(usedforsecurity=False)
    with path.open("rb") as file:
        while block := file.read(READ_BYTES):
            sha256.update(block)
            md5.update(block)
    return sha256.hexdigest(), md5.hexdigest()


def _tensors(path: Path, sha256: str) -> dict[str, torch.Tensor]:
    archive = archive_of(path, sha256)
    if archive is not None:
        return read_archive(path, archive)
    kind = _kind(path)
    if kind == "archive":
        raise ModelError(f"{path.name} is an archive that this version does not know: expected {FORMATS}", "file")
    return read_safetensors(path) if kind == "safetensors" else _read_torch(path)


def _known(name: str) -> KnownModel:
    if name not in KNOWN_MODELS:
        raise ModelError(f"{name!r} is not a model that takes a file; choose from {', '.join(KNOWN_MODELS)}", "name")
    return KNOWN_MODELS[name]


def _same_layout(checkpoint: Checkpoint, models: list[KnownModel]) -> KnownModel:
    published = next((m for m in KNOWN_MODELS.values() if m.is_published(checkpoint.sha256, checkpoint.md5)), None)
    if published is not None and published not in models:
        raise ModelError(f"{checkpoint.path.name} is the published {published.name}, not {models[0].name}", "file")
    # "medsam_vit_b_tuned.pth" names two; the later one is the more special.
    named = [model for model in models if model.name in checkpoint.path.name.lower()]
    return published or (named[-1] if named else models[0])


def _refuse_false_name(checkpoint: Checkpoint) -> None:
    """An official name is a promise about the content: half a download or another file must not pass under it."""
    for model in KNOWN_MODELS.values():
        named = model.is_pinned and checkpoint.path.name == model.file_name
        if named and not model.is_published(checkpoint.sha256, checkpoint.md5):
            promise = f"an MD5 of {model.md5[:6]}..." if model.md5 else f"a SHA-256 of {str(model.sha256)[:12]}..."
            raise ModelError(
                f"{checkpoint.path.name} is named like the published file, which has {promise}, but has MD5 "
                f"{checkpoint.md5[:6]}... and SHA-256 {checkpoint.sha256[:12]}...: download it again, or rename it "
                "if these are your own weights",
                "file",
            )


def _kind(path: Path) -> Kind:
    with path.open("rb") as file:
        head = file.read(9)
    if not head:
        raise ModelError(f"{path.name} is empty; get it again", "file")
    if head.startswith(b"PK\x03\x04"):
        return "zip"
    if head.startswith(b"\x1f\x8b"):
        return "archive"
    if head[8:] == b"{":
        return "safetensors"
    if head[0] == 0x80:
        return "pickle"
    raise ModelError(f"{path.name} is not a weight file: expected {FORMATS}", "file")


def _read_torch(path: Path) -> dict[str, torch.Tensor]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about details of files that are refused a moment later
            loaded = torch.load(path, map_location="cpu", weights_only=True, mmap=_kind(path) == "zip")
    except UnpicklingError as error:
        raise ModelError(
            f"{path.name} was refused: it holds objects that could run code, not only tensors; "
            "ask its author for the state_dict or a .safetensors file",
            "file",
        ) from error
    except Exception as error:  # whatever a parser says of a broken file, the answer is the same
        raise ModelError(f"{path.name} is truncated or damaged; get it again", "file") from error
    return _tensors_in(loaded, path)


def _tensors_in(loaded: Any, path: Path) -> dict[str, torch.Tensor]:
    if isinstance(loaded, Mapping):
        inner = next((loaded[key] for key in WRAPPERS if isinstance(loaded.get(key), Mapping)), loaded)
        if inner and all(isinstance(name, str) and isinstance(value, torch.Tensor) for name, value in inner.items()):
            return dict(inner)
    raise ModelError(f"{path.name} holds no named tensors: expected the state_dict of a network", "file")
