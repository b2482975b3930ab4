"""Laterality check: on which side of the patient a structure belongs by its name, against where it lies.

A mirrored label looks perfect to every measure but this one: it is the commonest fault of files that went through
another tool. Only names that are sure are judged: a right ventricle lies in the middle, a right kidney does not.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from itertools import product

import numpy as np

from sam_infer.arrays import Float64Array
from sam_infer.imaging.body_centre import body_centre
from sam_infer.imaging.volume import Mask, Volume

# Signs of the left-right axis of RAS.
LEFT, RIGHT = -1, 1

_WORDS = {"left": LEFT, "lt": LEFT, "l": LEFT, "right": RIGHT, "rt": RIGHT, "r": RIGHT}

# Organs that are on one side in all but one of some thousand people.
ONE_SIDED = {"liver": RIGHT, "gallbladder": RIGHT, "spleen": LEFT}

# Pairs whose members never reach the middle of the body.
APART = {"kidney", "lung", "adrenal", "femur", "hip", "humerus", "scapula", "clavicula", "clavicle", "breast", "eye"}

# The middle is known only where the whole width of the patient is shown, and only roughly.
WHOLE_WIDTH_MM = 250.0
ROUGHLY_MM = 20.0


def side_of(name: str) -> int | None:
    """LEFT or RIGHT where a name says it or implies it."""
    words = _words(name)
    told = [_WORDS[word] for word in words if word in _WORDS]
    if len(told) == 1:
        return told[0]
    return next((side for organ, side in ONE_SIDED.items() if words == [organ]), None) if not told else None


def swapped(image: Callable[[], Volume], mask: Mask, names: Mapping[int, str]) -> str:
    """A sentence on structures that lie on the wrong side; empty when there are none.

    The image is only read where a name says which side of the body's middle its structure is on.
    """
    found = {name: _middle(mask, value) for value, name in sorted(names.items()) if side_of(name) is not None}
    there = {name: float(middle[0]) for name, middle in found.items() if middle is not None}
    left, right = ([name for name in there if side_of(name) == side] for side in (LEFT, RIGHT))
    for one, other in product(left, right):
        if _comparable(one, other) and there[one] > there[other]:
            return f"{one} lies further right in the patient than {other}"
    apart = [name for name in there if _apart(name)]
    if not apart or _width_mm(mask) < WHOLE_WIDTH_MM:
        return ""
    middle = float(body_centre(image())[0])
    for name in apart:
        side = side_of(name) or 0
        if (there[name] - middle) * side < -ROUGHLY_MM:
            return f"{name} lies on the patient's {'right' if side == LEFT else 'left'}"
    return ""


def _comparable(one: str, other: str) -> bool:
    """Members of one pair, or two structures that both stay on their side."""
    return _without_side(one) == _without_side(other) or (_apart(one) and _apart(other))


def _apart(name: str) -> bool:
    words = _words(name)
    return words[0] in ONE_SIDED if len(words) == 1 else bool(APART & set(words))


def _words(name: str) -> list[str]:
    return [word for word in re.split(r"[^a-z0-9]+", name.lower()) if word]


def _without_side(name: str) -> list[str]:
    return [word for word in _words(name) if word not in _WORDS]


def _middle(mask: Mask, value: int) -> Float64Array | None:
    """Centre of a structure in RAS mm; None where it is absent."""
    box = mask.marked_box()
    places = np.argwhere(mask.array[box] == value) + [side.start for side in box]
    return np.asarray(mask.geometry.to_world(places.mean(axis=0)))[0] if len(places) else None


def _width_mm(mask: Mask) -> float:
    """Extent of the image from the patient's left to the right."""
    return float(np.abs(mask.geometry.affine[0, :3]) @ np.asarray(mask.geometry.shape))
