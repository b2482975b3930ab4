"""Weight store: one folder per model with safetensors and a record, hashes checked whenever files may have changed.

    HOME/models/NAME/weights.safetensors    converted once, when the model is added
    HOME/models/NAME/model.json             where it came from, its hashes, when it was last verified

Files are written beside their place and moved, weights first, record last: a reader sees the old model, the new one,
or weights that do not match their record, which are refused.

What is checked when. `verify` reads and hashes the whole file. `load` does so too unless size and modification time are
those of the last successful check: whoever edits or copies the file changes the time, so a changed byte is found at the
next load. Decay of the disk itself leaves the time alone; only `verify` finds that.
"""

from __future__ import annotations

import json
import tempfile
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pooch
import structlog
import torch
from safetensors.torch import save_file

from sam_infer.errors import ModelError
from sam_infer.files import file_sha256, write_whole
from sam_infer.home import default_home
from sam_infer.weights.available import record_path, require_added
from sam_infer.weights.catalogue import KNOWN_MODELS, KnownModel
from sam_infer.weights.checkpoint import Checkpoint, converted, read_checkpoint, read_safetensors, recognise
from sam_infer.weights.fingerprint import Fingerprint
from sam_infer.weights.tensor_layout import layout_of, parameter_count

log = structlog.get_logger(__name__)

# SAM 2 keeps two convolutions of its encoder beside the decoder.
ENCODER_PREFIX = ("image_encoder.", "sam_mask_decoder.conv_s")
DOWNLOAD_BLOCK_BYTES = 1 << 20


@dataclass(frozen=True)
class StoredModel:
    """The record of one added model."""

    name: str
    source: str  # name of the file it came from
    source_sha256: str
    published: bool  # whether that file is the published one
    parameters: int
    weights_id: str
    encoder_id: str
    added: str  # ISO 8601, UTC
    sha256: str  # of weights.safetensors
    verified_bytes: int  # size and modification time when it was last found intact
    verified_mtime_ns: int

    @property
    def fingerprint(self) -> Fingerprint:
        """What identifies the weights."""
        return Fingerprint(self.weights_id, self.encoder_id)

    def seen_at(self, weights: Path) -> StoredModel:
        """This record with the stamp of an intact file."""
        stat = weights.stat()
        return replace(self, verified_bytes=stat.st_size, verified_mtime_ns=stat.st_mtime_ns)


class ModelStore:
    """Weights on disk; holds no state, so any number of processes may use one folder."""

    def __init__(self, home: Path | None = None) -> None:
        self._home = home or default_home()
        self.folder = self._home / "models"

    def names(self) -> list[str]:
        """Models that were added."""
        return [name for name in KNOWN_MODELS if self._record_path(name).exists()]

    def record(self, name: str) -> StoredModel:
        """What is known of an added model."""
        require_added(name, self._home)
        try:
            return StoredModel(**json.loads(self._record_path(name).read_text()))
        except (OSError, ValueError, TypeError) as error:
            raise ModelError(f"the record of {name} is damaged: add its weight file again", "model") from error

    def weights_path(self, name: str) -> Path:
        """Where the weights of a model are, or would be."""
        return self.folder / name / "weights.safetensors"

    def add(self, file: Path, name: str | None = None) -> StoredModel:
        """Take a weight file in: recognise it, convert it, record its hashes."""
        checkpoint = read_checkpoint(file)
        model = recognise(checkpoint, name)
        tensors = converted(checkpoint, model)
        weights = self.weights_path(model.name)
        write_whole(weights, lambda part: save_file(tensors, part))
        stored = _new_record(model, checkpoint, tensors, weights)
        self._write(stored)
        return stored

    def fetch(self, name: str, progress: Any = False) -> StoredModel:
        """Download a published file, check it against its pinned hash and add it; `progress` is pooch's."""
        if name not in KNOWN_MODELS:
            raise ModelError(f"{name!r} cannot be downloaded; choose from {', '.join(KNOWN_MODELS)}", "name")
        model = KNOWN_MODELS[name]
        if not model.is_pinned:
            raise ModelError(
                f"{name} is not downloaded, since its hash is not known: get {model.file_name} from {model.url} "
                "yourself and run `samlabel models add FILE`",
                "name",
            )
        self.folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=self.folder, prefix=".download-") as folder:
            downloader = pooch.HTTPDownloader(progressbar=progress, chunk_size=DOWNLOAD_BLOCK_BYTES)
            try:
                pooch.retrieve(model.url, model.pinned_hash, model.file_name, folder, downloader=downloader)
            except (OSError, ValueError) as error:  # no network, no such page, or another hash
                raise ModelError(
                    f"{name} could not be downloaded from {model.url} ({_first_line(error)}): try again, or download "
                    f"it on another machine and run `samlabel models add {model.file_name}`",
                    "name",
                ) from error
            return self.add(Path(folder) / model.file_name, name)

    def verify(self, name: str) -> StoredModel:
        """Hash the weights of a model: its record when they are intact, ModelError when not."""
        stored, weights = self.record(name), self.weights_path(name)
        if not weights.is_file():
            raise ModelError(f"the weights of {name} are missing: add its weight file again", "model")
        if file_sha256(weights) != stored.sha256:
            raise ModelError(f"the weights of {name} were changed or are damaged: add its weight file again", "model")
        stored = stored.seen_at(weights)
        try:
            self._write(stored)
        except OSError as error:  # a store that others own is hashed every time
            log.debug("stamp not stored", model=name, reason=str(error))
        return stored

    def load(self, name: str) -> tuple[StoredModel, dict[str, torch.Tensor]]:
        """The record and the tensors of a model, verified if the file is not the one last verified."""
        stored, weights = self.record(name), self.weights_path(name)
        if not weights.is_file() or stored.seen_at(weights) != stored:
            stored = self.verify(name)
        return stored, read_safetensors(weights)

    def _record_path(self, name: str) -> Path:
        return record_path(name, self._home)

    def _write(self, stored: StoredModel) -> None:
        text = json.dumps(asdict(stored), indent=2) + "\n"
        write_whole(self._record_path(stored.name), text)


def _new_record(
    model: KnownModel, checkpoint: Checkpoint, tensors: dict[str, torch.Tensor], weights: Path
) -> StoredModel:
    fingerprint = Fingerprint.of(tensors, ENCODER_PREFIX, model.preprocessing)
    stat = weights.stat()
    return StoredModel(
        name=model.name,
        source=checkpoint.path.name,
        source_sha256=checkpoint.sha256,
        published=model.is_published(checkpoint.sha256, checkpoint.md5),
        parameters=parameter_count(layout_of(tensors)),
        weights_id=fingerprint.weights,
        encoder_id=fingerprint.encoder,
        added=datetime.now(UTC).isoformat(timespec="seconds"),
        sha256=file_sha256(weights),
        verified_bytes=stat.st_size,
        verified_mtime_ns=stat.st_mtime_ns,
    )


def _first_line(error: Exception) -> str:
    text = str(error).strip().split("\n")[0]
    return text if len(text) <= 120 else text[:117] + "..."
