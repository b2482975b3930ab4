"""Parses requests of `sam_text`: commands in words about one object, and the object as it is now.

text          what a reader says or types: see `sam_infer/prompts/language/`; or
commands      a list of such texts, done one after the other
boxes         {LABEL: [i0, i1, j0, j1, k0, k1]}, labels that are drawn already: neighbours say where another one is
foreground, background, roi, plane, slice, label, window, zoom, phase, tag      as in `slice_request`
candidate     as in `slice_request`: the mask that is shown

The upload `label` is the object's mask as it is now: commands change it. Nothing is kept: the answer says what the
hints are afterwards, and the next request brings them again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from sam_infer.errors import PromptError
from sam_infer.imaging.geometry import Geometry
from sam_infer.imaging.volume import Mask
from sam_infer.prompts.box_edits import box_on_slice
from sam_infer.prompts.language.grammar import LONGEST, MOST, Understood, understood
from sam_infer.prompts.language.vocabulary import Vocabulary
from sam_infer.prompts.object_prompts import Box, Prompts
from sam_infer.prompts.slice_index import Marks
from sam_infer.slices.predictor import Options
from sam_infer.spoken.scene import Scene
from samlabel.label_names import LabelNames
from samlabel.wire import slice_request

# Of so many labels clients are shown what can be said of them.
SHOWN_LABELS = 30


def shown_options(names: LabelNames) -> dict[str, Any]:
    """The form that clients show; what can be said is a list to choose from, and what viewers complete from."""
    return {
        "text": list(Vocabulary(names.names[:SHOWN_LABELS]).examples),
        "plane": slice_request.OPTIONS["plane"],
        "window": slice_request.OPTIONS["window"],
    }


@dataclass(frozen=True, eq=False)
class CommandRequest:
    """One request, understood."""

    commands: tuple[Understood, ...]
    scene: Scene
    options: Options
    beside: Mapping[str, Box]
    reply: slice_request.ReplyFormat
    assumed: str | None = None


def decode(request: Mapping[str, Any], geometry: Geometry, names: LabelNames) -> CommandRequest:
    """What is said, and what it is said about."""
    given = {key: value for key, value in request.items() if value is not None}
    slice_request.require_device(given)
    label = names.checked(given.get("label"))
    known = names.names if label in names.names else (*names.names, label)
    return CommandRequest(
        decode_commands(given, known),
        decode_scene(given, geometry, label),
        replace(slice_request.decode_options(given), candidate=None),
        _beside(given, geometry, names),
        slice_request.decode_reply(given),
        names.assumed(given.get("label")),
    )


def decode_commands(given: Mapping[str, Any], labels: tuple[str, ...]) -> tuple[Understood, ...]:
    """The commands of `text` or `commands`."""
    text, listed = given.get("text"), given.get("commands")
    if text not in (None, "") and listed:
        raise PromptError("send text or commands, not both", "commands")
    said = listed if listed else [text]
    if not isinstance(said, list) or not all(isinstance(one, str) for one in said):
        name = "commands" if listed else "text"
        raise PromptError(f"{name} must be words, such as 'segment {labels[0]}', got {str(said)[:80]}", name)
    if len(said) > MOST or sum(map(len, said)) > LONGEST:
        raise PromptError(f"commands may be {MOST} of {LONGEST} characters in all, got {len(said)}", "commands")
    return tuple(command for one in said for command in understood(one, labels))


def decode_scene(given: Mapping[str, Any], geometry: Geometry, label: str) -> Scene:
    """The object as it is now, and the slice that is looked at."""
    axis, box = slice_request.decode_axis(given, geometry), slice_request.decode_box(given, geometry)
    foreground, background = (slice_request.decode_voxels(given, name) for name in ("foreground", "background"))
    labels = np.repeat([1, 0], [len(foreground), len(background)])
    prompts = Prompts(axis, np.concatenate([foreground, background]), labels).checked(geometry)
    drawn = slice_request.decode_prior(given, geometry) or Mask.empty(geometry)
    drawn = Mask(np.asfortranarray(drawn.array > 0, np.uint8), geometry)
    wish = slice_request.decode_slice(given)
    if wish is not None and not 0 <= wish < geometry.shape[axis]:
        raise PromptError(f"slice must be from 0 to {geometry.shape[axis] - 1}, got {wish}", "slice")
    marks = Marks(foreground, background, box, drawn if drawn.array.any() else None)
    placed = wish is not None or not prompts.is_empty or box is not None or marks.prior is not None
    index = wish if wish is not None else marks.likeliest(axis) if placed else geometry.shape[axis] // 2
    if box is not None:
        prompts = replace(prompts, box=box_on_slice(box, axis, index))
    candidate = slice_request.decode_options(given).candidate
    return Scene(prompts, index, label, drawn, placed, candidate)


def _beside(given: Mapping[str, Any], geometry: Geometry, names: LabelNames) -> dict[str, Box]:
    told = given.get("boxes") or {}
    if not isinstance(told, dict):
        raise PromptError("boxes must be {LABEL: [i0, i1, j0, j1, k0, k1]}", "boxes")
    found = {}
    for name, roi in told.items():
        box = slice_request.decode_box({"roi": roi}, geometry)
        if name in names.names and box is not None:
            found[name] = box
    return found
