"""Parses requests for automatic labels: mode, extent, prior, and the keys of `slice_request`.

mode         best, propose, grid, selfprompt, detect, atlas or semantic; see `sam_infer/automatic/modes.py`
extent       slice: one slice, the one named by `slice`, else the middle one; volume: all of them, inside `roi`
label_prompt `semantic`: the classes that are wanted, values or names; by default all that were learned
prior        `grid`: a label map of the image to match to, the upload `label` of the request; `best`: of other slices
prior_tag    `grid`: the same, a stored label of the image; without either accepted cases say where (`expects`)
gallery      `grid`: near (clicks where labels are expected) or full (32 x 32 clicks)
expects      `grid` without a prior: atlas (accepted cases are warped) or map (a map is learned from them)
heads        `selfprompt`: ridge (a map in closed form) or trained (heads at four scales)
passes       `selfprompt`: 1 or 2; the second draws around what the first drew
atlases      `atlas`, and `grid` that expects by it: how many accepted cases vote, 1 to 5
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from sam_infer.ask.question import WITH_PRIOR, LabelQuestion
from sam_infer.automatic.expected import HEADS, MOST_PASSES
from sam_infer.automatic.grid import GALLERIES
from sam_infer.automatic.modes import MODES, PRIORS, SEMANTIC, ModeOptions
from sam_infer.errors import PromptError
from sam_infer.imaging.geometry import Geometry
from sam_infer.imaging.volume import Mask
from sam_trainer.labels.cases import slice_axis
from samlabel.access.names import check_tag
from samlabel.label_names import LabelNames
from samlabel.wire import slice_request
from samlabel.wire.class_request import decode_classes

EXTENTS = ("slice", "volume")

OPTIONS: dict[str, Any] = {
    "mode": list(MODES),
    "extent": list(EXTENTS),
    "gallery": list(GALLERIES),
    "expects": list(PRIORS),
    "heads": list(HEADS),
    "passes": [str(number) for number in range(MOST_PASSES, 0, -1)],
    "atlases": 1,
    "plane": slice_request.OPTIONS["plane"],
    "window": slice_request.OPTIONS["window"],
}

HOW = tuple(field.name for field in fields(ModeOptions))


@dataclass(frozen=True, eq=False)
class AutoRequest:
    """One request, understood."""

    question: LabelQuestion
    prior_tag: str | None  # a stored label of the image that is to be the prior
    reply: slice_request.ReplyFormat
    notes: tuple[str, ...] = ()

    def with_prior(self, prior: Mask) -> LabelQuestion:
        """The question once the stored label is read."""
        return replace(self.question, prior=prior)


def decode(request: Mapping[str, Any], geometry: Geometry, names: LabelNames) -> AutoRequest:
    """A request for labels on a slice or in a volume."""
    given = {key: value for key, value in request.items() if value is not None}
    mode, extent = _choice(given, "mode", MODES), _choice(given, "extent", EXTENTS)
    axis, limit = _axis(given, mode, geometry), slice_request.decode_box(given, geometry)
    low, high = (0, geometry.shape[axis] - 1) if limit is None else (int(limit.low[axis]), int(limit.high[axis]))
    slice_request.require_device(given)
    wish = slice_request.decode_slice(given)
    start = wish if wish is not None and 0 <= wish < geometry.shape[axis] else (low + high + 1) // 2
    if not low <= start <= high:
        raise PromptError(f"slice {start} is outside the roi, which has slices {low}..{high}", "slice")
    prior, tag = slice_request.decode_prior(given, geometry), given.get("prior_tag") or None
    if mode not in WITH_PRIOR and (prior is not None or tag is not None):
        raise PromptError(f"mode {mode} takes no prior: use mode grid, or leave the prior out", "prior")
    question = LabelQuestion(
        mode,
        axis,
        range(low, high + 1) if extent == "volume" else range(start, start + 1),
        names.names,
        start,
        slice_request.decode_options(given).window,
        limit,
        prior,
        decode_classes(request, names) if mode == SEMANTIC else None,
        _how(given),
    )
    notes: tuple[str, ...] = ()
    if wish is not None and wish != start and extent == "slice":
        notes = (f"slice {wish} is not in the image, which has {geometry.shape[axis]}: slice {start} was used",)
    return AutoRequest(question, check_tag(tag) if tag is not None else None, slice_request.decode_reply(given), notes)


def _how(given: Mapping[str, Any]) -> ModeOptions:
    """The options of the mode; a number may come as text, as clients send what they choose from a list."""
    found = {name: given[name] for name in HOW if name in given}
    for name in ("passes", "atlases"):
        if isinstance(found.get(name), str) and found[name].isdecimal():
            found[name] = int(found[name])
    return ModeOptions(**found)


def decode_semantic(request: Mapping[str, Any], geometry: Geometry, names: LabelNames) -> AutoRequest:
    """A request for classes: always the whole volume, whatever else an earlier request left in this one."""
    whole = {**request, "mode": SEMANTIC, "extent": "volume", "prior": None, "prior_tag": None}
    return decode(whole, geometry, names)


def _axis(given: Mapping[str, Any], mode: str, geometry: Geometry) -> int:
    """The axis that a client names; an adapter has learned slices across the coarsest one."""
    axis = slice_request.decode_axis(given, geometry)
    return slice_axis(geometry) if mode == SEMANTIC and given.get("plane", "") in slice_request.AUTO else axis


def _choice(given: Mapping[str, Any], name: str, known: tuple[str, ...]) -> str:
    value = given.get(name) or known[0]
    if value not in known:
        raise PromptError(f"{name} must be one of {', '.join(known)}, got {str(value)[:40]!r}", name)
    return str(value)
