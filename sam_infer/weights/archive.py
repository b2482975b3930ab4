"""Package archive that carries a known model: known by its hash, and opened only then."""

from __future__ import annotations

import hashlib
import tarfile
import zlib
from pathlib import Path

import torch

from sam_infer.errors import ModelError
from sam_infer.weights.catalogue import KNOWN_ARCHIVES, KnownArchive
from sam_infer.weights.exported_sam import sam_tensors
from sam_infer.weights.onnx_file import OnnxFile, read_onnx


def archive_of(path: Path, sha256: str) -> KnownArchive | None:
    """Which archive a file is, None for no known one; refused when name and content do not belong together.

    The name is what a model's record says of where it came from: it must be the package's own.
    """
    found = next((known for known in KNOWN_ARCHIVES.values() if known.sha256 == sha256), None)
    if found is not None and path.name != found.file_name:
        raise ModelError(
            f"{path.name} is {found.file_name} under another name: call it {found.file_name} again, so that the "
            "model's record says where it came from",
            "file",
        )
    if found is None and path.name in KNOWN_ARCHIVES:
        raise ModelError(
            f"{path.name} is damaged or another file: it has SHA-256 {sha256[:12]}..., the package has "
            f"{KNOWN_ARCHIVES[path.name].sha256[:12]}...; get it again",
            "file",
        )
    return found


def read_archive(path: Path, archive: KnownArchive) -> dict[str, torch.Tensor]:
    """The weights in an archive under the names of the published weight file."""
    try:
        with tarfile.open(path, "r:gz") as tar:
            encoder, decoder = (_member(tar, *member) for member in (archive.encoder, archive.decoder))
    except (tarfile.TarError, zlib.error, OSError, EOFError) as error:
        raise ModelError(f"{path.name} is truncated or damaged; get it again", "file") from error
    return sam_tensors(encoder, decoder)


def _member(tar: tarfile.TarFile, name: str, sha256: str) -> OnnxFile:
    """A file of the archive, checked; nothing is unpacked to the disk."""
    try:
        stream = tar.extractfile(name)
    except KeyError:
        stream = None
    content = stream.read() if stream is not None else b""
    if hashlib.sha256(content).hexdigest() != sha256:
        raise ModelError(
            f"{name} in {Path(str(tar.name)).name} is missing or not the one that this version knows", "file"
        )
    return read_onnx(content)
