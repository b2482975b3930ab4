"""Parses requests for objects in 3D: the keys of `slice_request`, and those that only make sense here.

LABEL                        `sam_multi`: a list of voxels per label name; `background` counts for all of them
smooth_mm, fill_holes_mm3    see `sam_infer/masks/cleanup3d.py`; off at 0
keep_largest                 of the object in 3D
seed_from                    a case with an accepted label, or `best`: the object is found without a prompt
phase, along                 of an image in time, see `phase_request.py`
engine                       auto, tracker or sam2: who follows the object, see `sam_infer/propagation/engine.py`
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from sam_infer.ask.question import SeededQuestion
from sam_infer.errors import PromptError
from sam_infer.imaging.geometry import Geometry
from sam_infer.masks.cleanup3d import Consistency
from sam_infer.prompts.lasso import Lasso
from sam_infer.prompts.object_prompts import MAX_POINTS, Prompts
from sam_infer.prompts.scribble import Scribble
from sam_infer.propagation.engine import engine, offered
from sam_infer.propagation.options import AUTO, VolumeOptions
from samlabel.label_names import LabelNames
from samlabel.wire import slice_request

# Of `seed_from`: the accepted case that is most alike.
BEST = "best"

OPTIONS: dict[str, Any] = {
    **{name: slice_request.OPTIONS[name] for name in ("window", "plane", "zoom", "keep_largest")},
    "smooth_mm": "0",
    "fill_holes_mm3": "0",
}


def shown_options(model: str) -> dict[str, Any]:
    """The form that clients show, for a model."""
    return {**OPTIONS, "engine": offered(model)}


@dataclass(frozen=True, eq=False)
class VolumeRequest:
    """One request, understood: the prompts of every label asked for."""

    prompts: Mapping[str, Prompts]
    options: VolumeOptions
    reply: slice_request.ReplyFormat
    assumed: str | None = None  # said where the request names no label


def decode_object(request: Mapping[str, Any], geometry: Geometry, names: LabelNames) -> VolumeRequest:
    """A request for one object: everything on every slice counts."""
    wanted = slice_request.decode(request, geometry, names)
    given, prompts = _given(request), wanted.question.prompts
    strokes = slice_request.decode_scribble(given, geometry)
    lassos = slice_request.decode_lasso(given, prompts.axis, geometry)
    for index in _other_slices(strokes, lassos, wanted.question.index):
        here, around = strokes.on_slice(prompts.axis, index), lassos.on_slice(index)
        prompts = slice_request.with_points(prompts, here.points(geometry), around.points())
    said = slice_request.marked_one_by_one(slice_request.decode_voxels(given, "foreground"), strokes)
    prompts = replace(
        prompts,
        mask=lassos.prior(slice_request.decode_prior(given, geometry)),
        painted=lassos.painted(strokes.painted(geometry), said),
    )
    return VolumeRequest({wanted.label: prompts}, decode_options(given), wanted.reply, wanted.assumed)


@dataclass(frozen=True, eq=False)
class SeededRequest:
    """One request without a prompt, understood."""

    seed: str  # a case, or `best`
    question: SeededQuestion
    reply: slice_request.ReplyFormat
    assumed: str | None = None


def decode_seeded(request: Mapping[str, Any], geometry: Geometry, names: LabelNames) -> SeededRequest | None:
    """A request that names a case to be seeded from; None where it names none."""
    given = _given(request)
    seed = given.get("seed_from")
    if seed in (None, ""):
        return None
    if not isinstance(seed, str):
        raise PromptError(f"seed_from must be the name of a case, or {BEST}, got {str(seed)[:40]!r}", "seed_from")
    if any(len(given.get(name) or ()) for name in ("foreground", "background")):
        raise PromptError(
            "seed_from finds the object without a prompt: leave the points out, or seed_from", "seed_from"
        )
    slice_request.require_device(given)
    label = names.checked(given.get("label"))
    axis, box = slice_request.decode_axis(given, geometry), slice_request.decode_box(given, geometry)
    question = SeededQuestion(label, names.values[label], axis, box, decode_options(given))
    return SeededRequest(seed, question, slice_request.decode_reply(given), names.assumed(given.get("label")))


def decode_labels(request: Mapping[str, Any], geometry: Geometry, names: LabelNames) -> VolumeRequest:
    """A request with points per label; labels without points are left out."""
    given = _given(request)
    slice_request.require_device(given)
    axis, box = slice_request.decode_axis(given, geometry), slice_request.decode_box(given, geometry)
    background = slice_request.decode_voxels(given, "background")
    prompts = {}
    for name in names.names:
        points = slice_request.decode_voxels(given, name)
        if len(points) + len(background) > MAX_POINTS:
            raise PromptError(f"{name} has {len(points)} points, more than the {MAX_POINTS} allowed", name)
        shared = {tuple(p) for p in points.tolist()} & {tuple(p) for p in background.tolist()}
        if shared:
            raise PromptError(f"point {list(min(shared))} is both {name} and background", name)
        if len(points):
            both = np.concatenate([points, background])
            labels = np.repeat([1, 0], [len(points), len(background)])
            prompts[name] = Prompts(axis, both, labels, box).checked(geometry)
    if not prompts:
        raise PromptError(f"give points for at least one of {', '.join(names.names[:12])}", "labels")
    return VolumeRequest(prompts, decode_options(given), slice_request.decode_reply(given))


def decode_options(given: Mapping[str, Any]) -> VolumeOptions:
    """How slices are looked at, and what is done to the mask in 3D."""
    flat = slice_request.decode_options(given)
    wanted = Consistency(_length(given, "smooth_mm"), flat.keep_largest, _length(given, "fill_holes_mm3"))
    return VolumeOptions(replace(flat, keep_largest=False), consistency=wanted, engine=_engine(given))


def _engine(given: Mapping[str, Any]) -> str:
    name = given.get("engine", AUTO)
    if name != AUTO:
        engine(str(name))  # refused here, before anything is computed
    return str(name)


def _given(request: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in request.items() if value is not None}


def _length(given: Mapping[str, Any], name: str) -> float:
    """A number, or text that is one: forms send text."""
    value = given.get(name, 0.0)
    try:
        number = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError):
        number = math.nan
    if not math.isfinite(number) or number < 0:
        raise PromptError(f"{name} must be a number of at least 0, got {value!r}", name)
    return number


def _other_slices(strokes: Scribble, lassos: Lasso, index: int) -> list[int]:
    """Slices with strokes or lassos besides `index`."""
    painted = np.concatenate([strokes.inside, strokes.outside])[:, lassos.axis]
    return sorted({*(int(k) for k in painted), *lassos.slices()} - {index})
