"""Parses requests for classes (`sam_class`): the keys of `auto_request` about slices, and

label_prompt   a list of classes as OHIF sends it: values from `/info/`, or names; missing or empty means all of them
points, point_labels   what OHIF's point tool sends to a model of this type; see `POINTS_IGNORED`
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sam_infer.errors import PromptError
from samlabel.label_names import LabelNames
from samlabel.wire import slice_request

OPTIONS: dict[str, Any] = {"plane": slice_request.OPTIONS["plane"], "window": slice_request.OPTIONS["window"]}

# OHIF keeps the points of an earlier request in every later one: to refuse them would refuse all classes from then on.
POINTS_IGNORED = "points are not used for classes: click with sam_2d, sam_3d or sam_multi"


def decode_classes(request: Mapping[str, Any], names: LabelNames) -> list[str] | None:
    """The names of the classes that are asked for, each once; None for all."""
    wanted = request.get("label_prompt")
    if wanted is None or wanted == []:
        return None
    if not isinstance(wanted, list):
        raise PromptError(
            f"label_prompt must be a list of classes, got {type(wanted).__name__}: send values such as [1, 2]",
            "label_prompt",
        )
    return list(dict.fromkeys(_name(entry, names) for entry in wanted))


def notes(request: Mapping[str, Any]) -> list[str]:
    """What a reader should know about how the request was read."""
    return [POINTS_IGNORED] if request.get("points") or request.get("foreground") else []


def _name(entry: Any, names: LabelNames) -> str:
    known = names.values
    if isinstance(entry, str) and entry in known:
        return entry
    if isinstance(entry, int) and not isinstance(entry, bool) and 1 <= entry <= len(names.names):
        return names.names[entry - 1]
    shown = ", ".join(f"{value} {name}" for name, value in list(known.items())[:12])
    more = ", ..." if len(known) > 12 else ""
    raise PromptError(f"there is no class {str(entry)[:40]!r}; this server has {shown}{more}", "label_prompt")
