"""Proposals given lately, per image and reader: a saved label is compared with them (edit distance).

Nothing here reaches a network again. It is lost with the process, and then nobody knows; labels are not affected.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sam_infer.imaging.volume import Mask
from sam_trainer.labels.edit_distance import Proposal, Region, packed
from samlabel.access.identity import current_reader
from samlabel.store.archive_labels import prompts_digest

MEMORY_BYTES = 128 << 20

# Hints, by the names that clients give them; `deepedit` clients send points under each label's own name.
HINTS = (
    "foreground",
    "background",
    "foreground_lasso",
    "background_lasso",
    "roi",
    "points",
    "point_labels",
    "label_prompt",
)

Key = tuple[str, str]


@dataclass
class Work:
    """One reader's work on one image, until a label is saved."""

    began: float
    proposals: list[Proposal] = field(default_factory=list)  # the oldest first

    def facts(self) -> dict[str, Any]:
        """Who proposed, after how many clicks, and how long ago the first answer was."""
        if not self.proposals:
            return {}
        last, digests = self.proposals[-1], "".join(sorted(proposal.prompts for proposal in self.proposals))
        return {
            "model": last.model,
            "adapter": last.adapter,
            "prompts_digest": prompts_digest(digests),
            "clicks": sum(proposal.clicks for proposal in self.proposals),
            "seconds": round(time.time() - self.began),
        }


class AnswersGiven:
    """The newest answers; any thread may use it."""

    def __init__(self, most_bytes: int = MEMORY_BYTES) -> None:
        self._most = most_bytes
        self._lock = threading.Lock()
        self._known: OrderedDict[Key, Work] = OrderedDict()

    def note(self, image_id: str, mask: Mask, request: Mapping[str, Any], result: Mapping[str, Any]) -> None:
        """Remember an answer about an image; of one label and place the newest counts.

        A label map lists all labels of the app. One that it does not show was perhaps not asked for: it takes nothing
        from what was answered about that label before.
        """
        region, hints = _region(result, mask), _hints(request, result)
        facts: dict[str, Any] = {
            "model": str(result.get("model", "")),
            "adapter": str(result.get("adapter", "")),
            "prompts": prompts_digest(hints),
            "clicks": _clicks(hints),
        }
        found = packed(mask, _named(result), region, **facts)
        key = (image_id, current_reader())
        with self._lock:
            work = self._known.pop(key, Work(time.time()))
            known = {old.label for old in work.proposals}
            made = [new for new in found if not new.empty or len(found) == 1 or not (hints or new.label in known)]
            kept = [old for old in work.proposals if not any(new.covers(old) for new in made)]
            self._known[key] = Work(work.began, [*kept, *made])
            while len(self._known) > 1 and self._bytes() > self._most:
                self._known.popitem(last=False)

    def of(self, image_id: str) -> Work:
        """What was answered to the present reader about an image."""
        with self._lock:
            return self._known.get((image_id, current_reader()), Work(time.time()))

    def forget(self, image_id: str) -> None:
        """The label is saved: what comes next is another reading."""
        with self._lock:
            self._known.pop((image_id, current_reader()), None)

    def _bytes(self) -> int:
        return sum(proposal.nbytes for work in self._known.values() for proposal in work.proposals)


def whole_map(mask: Mask, result: Mapping[str, Any]) -> list[Proposal]:
    """A stored label map that a network made, as proposals."""
    facts: dict[str, Any] = {key: str(result.get(key, "")) for key in ("model", "adapter")}
    return packed(mask, _named(result), _everywhere(mask), **facts)


def _named(result: Mapping[str, Any]) -> dict[str, int]:
    """Name to value, where an answer says so."""
    names = result.get("label_names")
    return {str(name): int(value) for name, value in names.items()} if isinstance(names, Mapping) else {}


def _region(result: Mapping[str, Any], mask: Mask) -> Region:
    """Where a request asked: one slice, a run of slices, or everywhere."""
    region = list(_everywhere(mask))
    if "slice" in result and result.get("axis") in ("i", "j", "k"):
        first, last = result.get("slices") or (result["slice"], result["slice"])
        region["ijk".index(result["axis"])] = slice(int(first), int(last) + 1)
    return region[0], region[1], region[2]


def _everywhere(mask: Mask) -> Region:
    i, j, k = mask.array.shape
    return slice(0, i), slice(0, j), slice(0, k)


def _hints(request: Mapping[str, Any], result: Mapping[str, Any]) -> dict[str, Any]:
    wanted = {*HINTS, *(result.get("label_names") or {})}
    return {key: request[key] for key in sorted(wanted) if request.get(key)}


def _clicks(hints: Mapping[str, Any]) -> int:
    """Points, and a box is one more."""
    points = [value for key, value in hints.items() if key not in ("roi", "label_prompt", "point_labels")]
    return sum(len(value) for value in points if isinstance(value, list)) + ("roi" in hints)
