"""Simulated reader of volumes: looks for the worst slice, and clicks on the worst place of it, again and again.

Each click is sent with everything that was said before, as clients send it; the slices are those across one axis.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from sam_infer.arrays import BoolArray, Int64Array
from sam_infer.imaging.slice_view import SliceView
from sam_infer.prompts.object_prompts import Prompts
from sam_trainer.simulation.clicks import correction_click

Ask = Callable[[Prompts], BoolArray]


def correcting(
    ask: Ask, said: Prompts, truth: BoolArray, view: Callable[[int], SliceView]
) -> Iterator[tuple[BoolArray, int]]:
    """Masks (I, J, K) after 0, 1, 2, ... corrections, and how many slices were clicked on by then; endless.

    `view` gives a slice across the axis of `said`. Where nothing is wrong any more, the last mask is repeated.
    """
    clicked: set[int] = set()
    mask = ask(said)
    while True:
        yield mask, len(clicked)
        place = worst_place(mask, truth, said.axis, view)
        if place is None:
            continue
        voxel, label = place
        clicked.add(int(voxel[said.axis]))
        said = said.followed_by(voxel[None], np.array([label]))
        mask = ask(said)


def worst_place(
    mask: BoolArray, truth: BoolArray, axis: int, view: Callable[[int], SliceView]
) -> tuple[Int64Array, int] | None:
    """Voxel (3,) and label of a click on the slice with most wrong voxels; None where nothing is wrong."""
    others = tuple(a for a in range(3) if a != axis)
    wrong = (mask != truth).sum(axis=others)
    if not wrong.any():
        return None
    here = view(int(wrong.argmax()))
    click = correction_click(here.extract(mask).astype(np.uint8), here.extract(truth).astype(np.uint8))
    if click is None:
        return None
    return here.to_stored(np.array([[click.y, click.x]]))[0].astype(np.int64), click.label
