"""What a client gets back: the mask as a file on the image's grid, and everything worth knowing about it."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sam_infer.imaging.geometry import PLANE_NORMAL, Geometry
from sam_infer.imaging.image_file import write_mask
from sam_infer.imaging.volume import Mask, Volume
from sam_infer.masks.encode import Chunk, encode_nrrd, gzipped, nifti_chunks, nrrd_chunks
from sam_infer.prompts.object_prompts import Prompts
from sam_infer.slices.predictor import CLIENT_CANDIDATES, Prediction
from samlabel.access.identity import current_reader
from samlabel.wire.slice_request import InferRequest, ReplyFormat

# The host's file copies and clean-ups expect real files; these are ours to delete.
PREFIX = "samlabel-"


@dataclass(eq=False)
class Delivery:
    """The mask that a request is answered with, on its way to the client."""

    mask: Mask | None = None
    reply: ReplyFormat = field(default_factory=ReplyFormat)

    def chunks(self) -> tuple[list[Chunk], bool]:
        """The bytes of the file that the client asked for, in pieces, and whether they are compressed."""
        mask, suffix = self.mask, self.reply.suffix
        if mask is None:
            return [], False
        if suffix == ".nrrd":
            return ([encode_nrrd(mask, True)], True) if self.reply.compress else (list(nrrd_chunks(mask)), False)
        if suffix == ".nii":
            return list(nifti_chunks(mask)), False
        if suffix == ".nii.gz":
            return [gzipped(nifti_chunks(mask))], True
        with tempfile.TemporaryDirectory(prefix=PREFIX) as folder:
            return [write_mask(mask, Path(folder) / f"mask{suffix}", self.reply.compress).read_bytes()], True


# The mask of the running request, whichever task made it: reading it back from its file costs a second.
_answered: ContextVar[Mask | None] = ContextVar("answered", default=None)

_delivery: ContextVar[Delivery | None] = ContextVar("delivery", default=None)


def answered() -> Mask | None:
    """The mask of the last answer that was made in the running request."""
    return _answered.get()


@contextmanager
def delivery() -> Iterator[Delivery]:
    """Within the block answers stay in memory: a file would be written only to be read back and deleted."""
    under_way = Delivery()
    token = _delivery.set(under_way)
    try:
        yield under_way
    finally:
        _delivery.reset(token)


def mask_file(mask: Mask, reply: ReplyFormat) -> Path | None:
    """A new temporary file with the mask, for the caller to delete; none where the mask is delivered directly."""
    _answered.set(mask)
    under_way = _delivery.get()
    if under_way is not None:
        under_way.mask, under_way.reply = mask, reply
        return None
    handle, name = tempfile.mkstemp(prefix=PREFIX, suffix=reply.suffix)
    os.close(handle)
    path = Path(name)
    if reply.suffix == ".nrrd":
        path.write_bytes(encode_nrrd(mask, reply.compress))
        return path
    return write_mask(mask, path, reply.compress)


def describe(prediction: Prediction, request: InferRequest, volume: Volume) -> dict[str, Any]:
    """The JSON part about one object; `label_names` is what 3D Slicer looks for."""
    notes = list(request.notes) + ([volume.note] if volume.note else [])
    if not prediction.pixels.any():
        notes.append("the network found nothing here: the mask is empty")
    return {
        "label_names": {request.label: 1},
        "score": round(prediction.score, 4),
        "scores": [round(float(s), 4) for s in prediction.candidates.scores[:CLIENT_CANDIDATES]],
        "candidate": prediction.chosen,
        "stability": round(prediction.stability, 4),
        "voxels": int(prediction.pixels.sum()),
        **place(volume.geometry, request.prompts.axis, request.index),
        "window": {"name": prediction.window.name, "low": prediction.window.low, "high": prediction.window.high},
        "crop": _crop(prediction),
        "prompts": _used(request),
        "latencies": milliseconds(prediction.seconds),
        "reader": current_reader(),
        "warnings": notes,
    }


def place(geometry: Geometry, axis: int, index: int) -> dict[str, Any]:
    """Which slice was looked at, in the words of the grid and of the body."""
    world = geometry.world_axes[axis][0]
    plane = next(name for name, normal in PLANE_NORMAL.items() if normal == world)
    return {"axis": "ijk"[axis], "slice": index, "plane": plane}


def milliseconds(seconds: dict[str, float]) -> dict[str, float]:
    """Times per stage, and their sum."""
    named = {**seconds, "total": sum(seconds.values())}
    return {name: round(value * 1000, 1) for name, value in named.items()}


def timed_file(mask: Mask, reply: ReplyFormat) -> tuple[str | None, float]:
    """The mask's file and the seconds it took."""
    started = time.perf_counter()
    path = mask_file(mask, reply)
    return str(path) if path is not None else None, time.perf_counter() - started


def _crop(prediction: Prediction) -> dict[str, int]:
    crop = prediction.frame.crop
    return {"row": crop.row, "col": crop.col, "height": crop.height, "width": crop.width}


def _used(request: InferRequest) -> dict[str, Any]:
    """The prompts that reached the network, in their canonical order."""
    here: Prompts = request.prompts.on_slice(request.index)
    box = here.box
    return {
        "foreground": here.points[here.labels == 1].tolist(),
        "background": here.points[here.labels == 0].tolist(),
        "roi": [int(v) for pair in zip(box.low, box.high, strict=True) for v in pair] if box is not None else None,
        "prior": here.mask is not None,
        "painted_voxels": len(request.scribble.inside) + len(request.scribble.outside),
    }
