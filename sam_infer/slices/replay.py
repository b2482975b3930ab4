"""The clicks of a request as they grew: each is answered with the logits of the answer to those before it.

SAM was trained that way. The request carries every click, so what was answered before is computed from it and from
nothing else: the answer to the first turns is a value of those turns. It is remembered under everything that decides
it, so that a further click costs one decode; a server that was just started, or a reader who undoes, gets the same
bits.
"""

from __future__ import annotations

import hashlib
from collections.abc import Hashable, Iterator
from dataclasses import dataclass, replace

from sam_infer.arrays import Float32Array
from sam_infer.imaging.slice_view import SliceView
from sam_infer.prompts.object_prompts import Prompts

# Later turns are told together: nobody clicks more often on one object, and a request must not cost minutes.
MOST_TURNS = 30


@dataclass(frozen=True)
class Replayed:
    """What decides an answer: the image, and everything else."""

    image: str
    question: Hashable


def renamed(key: Hashable, image: str, digest: str | None) -> Hashable | None:
    """The key of the same answer once an image's digest is known; None: the answer is to be forgotten."""
    if not isinstance(key, Replayed) or key.image != image:
        return key
    return None if digest is None else replace(key, image=digest)


def stages(here: Prompts) -> list[Prompts]:
    """The prompts of a slice as they grew, each with all that was said before it; the last are `here`.

    A box or a prior mask was there before any click, and background waits for something that it is the background of.
    """
    return [*_before(here), here]


def _before(here: Prompts) -> Iterator[Prompts]:
    if not len(here.points):
        return
    if here.box is not None:
        yield here.until(-1)
    for turn in range(min(int(here.turns.max()), MOST_TURNS)):
        so_far = here.until(turn)
        if len(so_far.positive) or here.box is not None or here.mask is not None:
            yield so_far


def stage_key(stage: Prompts, view: SliceView, prior: Float32Array | None) -> Hashable:
    """What of the prompts decides the answer to a stage; `prior` are mask and brush as logits (H, W)."""
    box = (stage.box.low.tobytes(), stage.box.high.tobytes()) if stage.box is not None else None
    mask = hashlib.blake2b(prior.tobytes(), digest_size=16).digest() if prior is not None else None
    points = (stage.points.tobytes(), stage.labels.tobytes(), stage.turns.tobytes())
    return (view.axis, view.index, *points, box, mask)
