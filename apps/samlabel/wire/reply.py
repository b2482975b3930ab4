"""Replies to clients: the mask as the bytes of a file on the image's grid, and the JSON part beside it."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sam_infer.imaging.cine import CineMask
from sam_infer.imaging.geometry import PLANE_NORMAL, Geometry
from sam_infer.imaging.image_file import write_cine_mask, write_mask
from sam_infer.imaging.volume import Mask
from sam_infer.masks.encode import encode_nrrd, nifti_chunks, nrrd_chunks
from sam_infer.masks.gzip_member import Chunk, gzipped
from sam_infer.slices.predictor import Predictor
from samlabel.wire.slice_request import ReplyFormat

# The host's file copies and clean-ups expect real files; these are ours to delete.
PREFIX = "samlabel-"


@dataclass(frozen=True, eq=False)
class Reply:
    """A mask, of one phase or of all, the JSON part about it, and how the client wants the file."""

    mask: Mask | CineMask
    facts: dict[str, Any]
    format: ReplyFormat = field(default_factory=ReplyFormat)

    def chunks(self) -> tuple[list[Chunk], bool]:
        """The bytes of the file that the client asked for, in pieces, and whether they are compressed."""
        suffix = self.format.suffix
        if isinstance(self.mask, CineMask):
            return self._packed()
        if suffix == ".nrrd":
            if self.format.compress:
                return [encode_nrrd(self.mask, True)], True
            return list(nrrd_chunks(self.mask)), False
        if suffix == ".nii":
            return list(nifti_chunks(self.mask)), False
        if suffix == ".nii.gz":
            return [gzipped(nifti_chunks(self.mask))], True
        return self._packed()

    def file(self) -> Path:
        """A new temporary file with the mask, for the caller to delete: what the host's batches take."""
        handle, name = tempfile.mkstemp(prefix=PREFIX, suffix=self.format.suffix)
        os.close(handle)
        return self._written(Path(name))

    def _packed(self) -> tuple[list[Chunk], bool]:
        """What ITK writes, which takes longer."""
        with tempfile.TemporaryDirectory(prefix=PREFIX) as folder:
            return [
                self._written(Path(folder) / f"mask{self.format.suffix}").read_bytes()
            ], self.format.suffix != ".nii"

    def _written(self, path: Path) -> Path:
        if isinstance(self.mask, CineMask):
            return write_cine_mask(self.mask, path, self.format.compress)
        if path.suffix == ".nrrd":
            path.write_bytes(encode_nrrd(self.mask, self.format.compress))
            return path
        return write_mask(self.mask, path, self.format.compress)


def network_facts(predictor: Predictor) -> dict[str, Any]:
    """Which network answered: any mask can be traced. Of an adapter with parts by tag also which, null for none, and
    which there are to be named instead; of several models why this one."""
    backbone, parts = predictor.backbone, predictor.by_tag
    tag = {} if parts is None else {"tag": predictor.tag or None, "facet": parts.facet, "tags": list(parts.taught)}
    why = {"model_why": predictor.model_why} if predictor.model_why else {}
    return {"model": backbone.name, "weights": backbone.weights_id, "adapter": predictor.adapter, **why, **tag}


def online_facts(predictor: Predictor, labels: Sequence[str]) -> dict[str, Any]:
    """By label the weight of what was learned since the adapter; nothing where the server does not learn as it goes."""
    if predictor.refiner is None:
        return {}
    return {"online": {label: round(1.0 - predictor.refiner.share(label), 2) for label in labels}}


def place(geometry: Geometry, axis: int, index: int) -> dict[str, Any]:
    """Which slice was looked at, in the words of the grid and of the body."""
    world = geometry.world_axes[axis][0]
    plane = next(name for name, normal in PLANE_NORMAL.items() if normal == world)
    return {"axis": "ijk"[axis], "slice": index, "plane": plane}


def milliseconds(seconds: Mapping[str, float]) -> dict[str, float]:
    """Times per stage, and their sum."""
    named = {**seconds, "total": sum(seconds.values())}
    return {name: round(value * 1000, 1) for name, value in named.items()}
