"""Parses infer requests of OHIF and 3D Slicer into frozen values: the clients' words and no others.

The only file that knows what OHIF and 3D Slicer call things. Parsed once, here, into a frozen value; keys it does not
know are left alone (OHIF sends those of earlier requests along), keys it knows are checked.

    foreground, background                     lists of voxels [i, j, k]
    order                                      in which order they were clicked: see `click_order.py`
    foreground_scribble, background_scribble   lists of painted voxels [i, j, k]
    foreground_lasso, background_lasso         lists of closed lines, each a list of voxels on one slice
    roi                                        [i0, i1, j0, j1, k0, k1], corners in any order, may leave the image
    prior                                      file of a mask to start from: the upload `label` of the request
    plane                                      axial, coronal, sagittal; without it slices run along the stored k
    slice                                      counts only where the prompts agree
    label                                      name of what is segmented
    device                                     only what the server computes on
    window, candidate, zoom, keep_largest, fill_holes      see `OPTIONS`; text is taken for numbers and switches
    result_extension, result_compress          .nrrd, .nii.gz, .nii or .mha; compressed unless the client says no
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from sam_infer.arrays import Float64Array, Int64Array
from sam_infer.ask.question import SliceQuestion
from sam_infer.errors import PromptError
from sam_infer.imaging.geometry import PLANE_NORMAL, Geometry
from sam_infer.imaging.image_file import read_cine_mask
from sam_infer.imaging.volume import Mask
from sam_infer.imaging.window import WINDOWS
from sam_infer.prompts.lasso import INSIDE, MOST_LASSOS, OUTSIDE, Lasso, closed_line
from sam_infer.prompts.object_prompts import BACKGROUND, FOREGROUND, MAX_POINTS, Box, Prompts, indices
from sam_infer.prompts.scribble import Scribble
from sam_infer.prompts.slice_index import Marks, choose_slice
from sam_infer.slices.crop import ZoomPolicy
from sam_infer.slices.predictor import CLIENT_CANDIDATES, Options
from samlabel.config import FALSE, TRUE
from samlabel.errors import RequestError
from samlabel.label_names import LabelNames
from samlabel.wire.click_order import decode_order

# As the clients spell "leave it to the server".
AUTO = ("auto", "stored", "")

# Shown as a form by both clients; the first of a list is what 3D Slicer sends when nobody touched it.
OPTIONS: dict[str, Any] = {
    "window": list(WINDOWS),
    "plane": ["stored", *sorted(PLANE_NORMAL)],
    "candidate": ["auto", *(str(n) for n in range(CLIENT_CANDIDATES))],
    "zoom": True,
    "keep_largest": False,
    "fill_holes": False,
}

SUFFIXES = (".nrrd", ".nii.gz", ".nii", ".mha")


@dataclass(frozen=True)
class ReplyFormat:
    """How the client wants the mask."""

    suffix: str = ".nrrd"
    compress: bool = True


@dataclass(frozen=True, eq=False)
class InferRequest:
    """One request, understood: everything fits the grid of its image."""

    question: SliceQuestion
    label: str
    scribble: Scribble
    lasso: Lasso
    reply: ReplyFormat
    notes: tuple[str, ...]  # what a reader should know about how the request was read
    assumed: str | None = None  # said where the request names no label


def decode(request: Mapping[str, Any], geometry: Geometry, labels: LabelNames) -> InferRequest:
    """The prompts of a request for one object on one slice."""
    given = {key: value for key, value in request.items() if value is not None}
    axis = decode_axis(given, geometry)
    foreground, background = _points(given, geometry)
    strokes, lassos = decode_scribble(given, geometry), decode_lasso(given, axis, geometry)
    box, prior = decode_box(given, geometry), decode_prior(given, geometry)
    encircled, encircled_labels = lassos.points()
    marks = Marks(
        np.concatenate([encircled[encircled_labels == FOREGROUND], strokes.inside, foreground]),
        np.concatenate([encircled[encircled_labels == BACKGROUND], strokes.outside, background]),
        box,
        prior,
    )
    require_device(given)
    wish = decode_slice(given)
    if wish is not None and len(foreground) + len(background) and not 0 <= wish < max(geometry.shape):
        # of a box alone 3D Slicer sends an offset in millimetres
        raise PromptError(f"slice must be from 0 to {geometry.shape[axis] - 1}, got {wish}", "slice")
    index, notes = choose_slice(geometry, axis, wish, marks)
    here, around = strokes.on_slice(axis, index), lassos.on_slice(index)
    clicked = np.repeat([FOREGROUND, BACKGROUND], [len(foreground), len(background)])
    points, turns = np.concatenate([foreground, background]), decode_order(given)
    prompts = Prompts(axis, points, clicked, box, around.prior(prior), turns=turns)
    prompts = with_points(prompts, here.points(geometry), around.points())
    prompts = replace(prompts, painted=around.painted(here.painted(geometry), marked_one_by_one(foreground, here)))
    label, assumed = labels.checked(given.get("label")), labels.assumed(given.get("label"))
    question = SliceQuestion(prompts, index, replace(decode_options(given), label=label))
    return InferRequest(question, label, here, around, decode_reply(given), tuple(notes), assumed)


def with_points(prompts: Prompts, *more: tuple[Int64Array, Int64Array]) -> Prompts:
    """The prompts with further points (N, 3) and their labels (N,): strokes and lassos count as said after clicks."""
    points, labels = (np.concatenate(parts) for parts in zip(*more, strict=True))
    return prompts.followed_by(points, labels)


def marked_one_by_one(foreground: Int64Array, strokes: Scribble) -> Int64Array:
    """Voxels (N, 3) that a reader marked as the object one by one."""
    return np.concatenate([foreground, strokes.inside])


def decode_axis(given: Mapping[str, Any], geometry: Geometry) -> int:
    """The stored axis that slices are taken across."""
    plane = given.get("plane") or "stored"
    if not isinstance(plane, str):
        raise PromptError(f"plane must be one of {sorted(PLANE_NORMAL)}, got {plane!r}", "plane")
    if plane in AUTO:
        return 2
    axis = geometry.axis_of_plane(plane)
    if any(geometry.shape[other] == 1 for other in range(3) if other != axis):
        raise PromptError(f"the image is one slice, and {plane} would cut it into lines: leave plane out", "plane")
    return axis


def require_device(given: Mapping[str, Any]) -> None:
    """Refuse a device that this server does not compute on: it was chosen when the server was started."""
    wish = given.get("device") or AUTO[0]
    here = ("cuda", *(f"cuda:{n}" for n in range(torch.cuda.device_count()))) if torch.cuda.is_available() else ("cpu",)
    if not isinstance(wish, str) or wish.lower() not in (*AUTO, *here):
        raise RequestError(
            f"device must be {' or '.join(here)}, what this server computes on, got {str(wish)[:40]!r}; leave it out",
            "device",
        )


def decode_slice(given: Mapping[str, Any]) -> int | None:
    """The slice a client names, which need not be the one it means."""
    value = given.get("slice")
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not np.isfinite(value):
        raise PromptError(f"slice must be a number, got {value!r}", "slice")
    return round(value)


def decode_options(given: Mapping[str, Any]) -> Options:
    """How the slice is looked at and the answer cleaned."""
    window = given.get("window") or "auto"
    if window not in WINDOWS:
        raise PromptError(f"window must be one of {', '.join(WINDOWS)}, got {window!r}", "window")
    zoom = ZoomPolicy() if _switch(given, "zoom", True) else None
    return Options(
        window, zoom, _candidate(given), _switch(given, "keep_largest", False), _switch(given, "fill_holes", False)
    )


def decode_reply(given: Mapping[str, Any]) -> ReplyFormat:
    """The file format of the answer."""
    suffix = given.get("result_extension") or SUFFIXES[0]
    if not isinstance(suffix, str) or f".{suffix.lstrip('.')}" not in SUFFIXES:
        raise RequestError(f"result_extension must be one of {', '.join(SUFFIXES)}, got {suffix!r}", "result_extension")
    return ReplyFormat(f".{suffix.lstrip('.')}", _switch(given, "result_compress", True))


def _points(given: Mapping[str, Any], geometry: Geometry) -> tuple[Int64Array, Int64Array]:
    foreground, background = decode_voxels(given, "foreground"), decode_voxels(given, "background")
    for name, points in (("foreground", foreground), ("background", background)):
        if len(points) > MAX_POINTS:
            raise PromptError(f"{name} has {len(points)} points, more than the {MAX_POINTS} allowed", name)
        outside = next((p.tolist() for p in points if not geometry.contains(p)), None)
        if outside is not None:
            raise PromptError(f"{name} point {outside} is outside the image of {geometry.shape} voxels", name)
    both = {tuple(p) for p in foreground.tolist()} & {tuple(p) for p in background.tolist()}
    if both and len(both) == len(foreground):
        # OHIF sends one list twice while its row "background" is selected.
        raise PromptError(
            "foreground and background are the same points: choose the row of a label to click on, not 'background'",
            "foreground",
        )
    if both:
        raise PromptError(f"point {list(min(both))} is both foreground and background", "foreground")
    return foreground, background


def decode_voxels(given: Mapping[str, Any], name: str) -> Int64Array:
    """A list of voxels (N, 3) in the order sent, each once; missing and empty are the same."""
    values = given.get(name)
    if values is None or (isinstance(values, list) and not values):
        return np.zeros((0, 3), np.int64)
    if not isinstance(values, list):
        raise PromptError(f"{name} must be a list of voxels [i, j, k], got {type(values).__name__}", name)
    return np.array(list(dict.fromkeys(map(tuple, indices(values, name).tolist()))), np.int64)


def decode_scribble(given: Mapping[str, Any], geometry: Geometry) -> Scribble:
    """The painted voxels of a request, on any slice."""
    strokes = Scribble(decode_voxels(given, "foreground_scribble"), decode_voxels(given, "background_scribble"))
    return strokes.checked(geometry)


def decode_lasso(given: Mapping[str, Any], axis: int, geometry: Geometry) -> Lasso:
    """The closed lines of a request, on any slice of the plane."""
    return Lasso(geometry, axis, _closed_lines(given, INSIDE), _closed_lines(given, OUTSIDE))


def _closed_lines(given: Mapping[str, Any], name: str) -> tuple[Float64Array, ...]:
    values = given.get(name)
    if values is None:
        return ()
    if not isinstance(values, list):
        raise PromptError(f"{name} must be a list of lassos, got {type(values).__name__}", name)
    if len(values) > MOST_LASSOS:
        raise PromptError(f"{name} has {len(values)} lassos, more than the {MOST_LASSOS} allowed", name)
    return tuple(closed_line(line, f"lasso {number} of {name}", name) for number, line in enumerate(values, 1))


def decode_box(given: Mapping[str, Any], geometry: Geometry) -> Box | None:
    """The part of `roi` inside the grid."""
    roi = given.get("roi")
    if roi is None or (isinstance(roi, list) and not roi):
        return None
    if not isinstance(roi, list) or len(roi) != 6:
        raise PromptError(f"roi must be six numbers [i0, i1, j0, j1, k0, k1], got {str(roi)[:80]}", "roi")
    corners = indices([roi[0::2], roi[1::2]], "roi")
    return Box.of(corners[0], corners[1]).clipped(geometry)


def decode_prior(given: Mapping[str, Any], geometry: Geometry) -> Mask | None:
    """The mask that came with the request, on the image's grid."""
    path = given.get("prior")
    if path is None:
        return None
    if not isinstance(path, Path):
        raise PromptError("prior cannot be named: send the mask as the file part 'label' of the request", "prior")
    mask = read_cine_mask(path, geometry, 1).phases[0]
    mask.require_same_grid(geometry, "prior mask (form part 'label')")
    return mask


def _switch(given: Mapping[str, Any], name: str, default: bool) -> bool:
    value = given.get(name, default)
    if isinstance(value, bool):
        return value
    text = str(value).strip().lower()
    if text in TRUE | FALSE:
        return text in TRUE
    raise PromptError(f"{name} must be true or false, got {value!r}", name)


def _candidate(given: Mapping[str, Any]) -> int | None:
    value = given.get("candidate", AUTO[0])
    text = str(value).strip().lower()
    if text in AUTO:
        return None
    if isinstance(value, bool) or text not in {str(n) for n in range(CLIENT_CANDIDATES)}:
        raise PromptError(f"candidate must be auto, 0, 1 or 2, got {value!r}", "candidate")
    return int(text)
