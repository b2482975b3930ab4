"""Mode `best`: each label by the mode that leaves fewest clicks, as measured on accepted cases.

What was measured comes as an argument, a `Chosen` per label. A label of which nothing is known is looked for by a rule
that needs no measurement, `unmeasured`. A label for which no mode saves clicks is not proposed. On one slice beside one
that shows the label already, that slice's label may be the best proposal: `PREVIOUS`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any

import numpy as np

from sam_infer.automatic.expected import TRAINED
from sam_infer.automatic.label_search import LabelMap, LabelSearch
from sam_infer.automatic.modes import PROPOSE, SEMANTIC, ModeOptions
from sam_infer.errors import PromptError
from sam_infer.imaging.volume import Mask

# Fewer accepted cases cannot be left out one by one: the rest would teach nothing.
FEWEST_CASES = 2


@dataclass(frozen=True)
class Way:
    """A mode with its options."""

    mode: str
    how: ModeOptions = field(default_factory=ModeOptions)

    @property
    def name(self) -> str:
        """The mode, and the options that are not as usual, as a request has them."""
        usual = ModeOptions()
        said = {f.name: getattr(self.how, f.name) for f in fields(ModeOptions)}
        return " ".join([self.mode, *(f"{k}={v}" for k, v in said.items() if v != getattr(usual, k))])

    @classmethod
    def of(cls, name: str) -> Way:
        """The way that is called so."""
        mode, *said = name.split()
        options: dict[str, Any] = {}
        for option, value in (word.split("=", 1) for word in said):
            options[option] = int(value) if value.isdecimal() else value
        return cls(mode, ModeOptions(**options))


@dataclass(frozen=True)
class Chosen:
    """How one label is looked for, and why."""

    way: Way | None  # None: not at all
    why: str
    clicks: float = float("inf")  # left on a slice, as measured; the fewer, the earlier a contested pixel is given away
    beside: Chosen | None = None  # how it is looked for where the slice beside shows it, if that is another way

    @property
    def facts(self) -> dict[str, Any]:
        """For clients."""
        measured = {"clicks": round(self.clicks, 2)} if self.clicks < float("inf") else {}
        return {"mode": self.way.name if self.way is not None else None, "why": self.why, **measured}


# The label of the slice beside; what stands out; what an adapter has learned; what accepted cases say.
PREVIOUS = Way("previous")
STANDS_OUT, LEARNED, TAUGHT = Way(PROPOSE), Way(SEMANTIC), Way("selfprompt", ModeOptions(heads=TRAINED))


def unmeasured(cases: int, learned: bool) -> Chosen:
    """The rule where nothing was measured: so many accepted cases of the image's kind; an adapter knows the label."""
    if learned:
        return Chosen(LEARNED, "the adapter that serves has learned it, and fewer than two accepted cases are measured")
    if cases:
        return Chosen(TAUGHT, "not measured yet: accepted cases say where it is")
    return Chosen(STANDS_OUT, "no accepted case says where it is: what stands out, in the order of the labels")


def seen_beside(search: LabelSearch, prior: Mask | None) -> Mapping[str, int]:
    """The labels that a slice beside the search's only one shows in a prior, and which slice: that before, or after."""
    if prior is None or len(search.slices) != 1:
        return {}
    found: dict[str, int] = {}
    for index in (search.slices[0] - 1, search.slices[0] + 1):
        if 0 <= index < prior.geometry.shape[search.axis]:
            values = np.unique(search.view(index).extract(prior.array))
            found = {**{name: index for n, name in enumerate(search.labels, 1) if n in values}, **found}
    return found


def labels_beside(search: LabelSearch, prior: Mask) -> LabelMap:
    """The labels of the slice beside, laid on the search's only one."""
    mask, view = Mask.empty(search.volume.geometry), search.view(search.slices[0])
    allowed, shown = search.allowed(view), seen_beside(search, prior)
    for name, index in shown.items():
        value = search.labels.index(name) + 1
        view.extract(mask.array)[(search.view(index).extract(prior.array) == value) & allowed] = value
    return LabelMap(mask, dict.fromkeys(shown, 1.0)) if mask.array.any() else search.empty


def best_labels(
    search: LabelSearch, chosen: Mapping[str, Chosen], find: Callable[[Way, Sequence[str]], LabelMap]
) -> LabelMap:
    """Every label of the search in its own way; `find` looks for some labels in one way, values as the search's."""
    ways = {name: one.way for name, one in chosen.items() if one.way is not None}
    surest_last = sorted(ways, key=lambda name: -chosen[name].clicks)
    mask, whole = Mask.empty(search.volume.geometry), True
    scores: dict[str, float] = {}
    notes: list[str] = []
    for way in dict.fromkeys(ways[name] for name in surest_last):
        names = [name for name in surest_last if ways[name] == way]
        try:
            found = find(way, names)
        except PromptError as error:  # e.g. no accepted case of the image's kind
            notes.append(f"{way.name} could not be asked for {', '.join(names)}: {error}")
            continue
        whole = whole and found.whole
        notes += [note for note in found.notes if not note.startswith(("not found", "nothing was found"))]
        for name in names:
            value = search.labels.index(name) + 1
            mask.array[found.mask.array == value] = value
            scores |= {name: found.scores[name]} if name in found.scores else {}
    told = tuple(f"{name}: not proposed, {one.why}" for name, one in chosen.items() if one.way is None)
    if not mask.array.any():
        empty = search.empty
        return replace(empty, notes=(*empty.notes, *told, *notes), whole=whole, chosen=chosen)
    sought = {name for name in ways if name not in scores}
    missing = (f"not found: {', '.join(n for n in search.labels if n in sought)}",) if sought else ()
    return LabelMap(mask, scores, (*notes, *told, *missing), whole, chosen)
