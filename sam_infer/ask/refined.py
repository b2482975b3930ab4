"""What accepted labels taught meanwhile, laid over a label map that was found without a hint.

Every label of every slice is taken for the network's answer, and its outline moved as that of a prompted one would be.
A pixel that has a label keeps it, so labels do not grow into each other.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from sam_infer.automatic.label_search import LabelMap, LabelSearch
from sam_infer.imaging.slice_view import SliceView
from sam_infer.imaging.volume import Mask
from sam_infer.imaging.window import choose_window
from sam_infer.slices.look import PRIOR_LOGIT
from sam_infer.slices.refiner import ALONE, Refiner


def refined_labels(search: LabelSearch, found: LabelMap) -> LabelMap:
    """The same labels with their outlines moved; `found` itself where nothing was learned."""
    refiner = search.predictor.refiner
    taught = [n for n, name in enumerate(search.labels, 1) if refiner is not None and refiner.share(name) != ALONE]
    if refiner is None or not taught or not found.whole:
        return found
    mask = Mask(found.mask.array.copy(order="F"), found.mask.geometry)
    for index in search.slices:
        view = search.view(index)
        present = set(np.unique(view.extract(mask.array)).tolist())
        for value in (value for value in taught if value in present):
            search.job.uncounted().slice(lambda: _moved(search, refiner, mask, view, value))  # noqa: B023 - at once
    return replace(found, mask=mask)


def _moved(search: LabelSearch, refiner: Refiner, mask: Mask, view: SliceView, value: int) -> None:
    """One label on one slice."""
    values, volume = view.extract(mask.array), search.volume
    here = values == value
    pixels = volume.pixels(view)
    target = None if volume.is_colour else float(np.median(pixels[here]))
    shown = choose_window(volume, search.window, target).apply(pixels)
    alone = np.where(here, PRIOR_LOGIT, -PRIOR_LOGIT).astype(np.float32)
    fused = refiner.refine(search.labels[value - 1], shown, alone)
    if fused is alone:
        return
    wanted = (fused > 0) & search.allowed(view)
    values[here & ~wanted] = 0
    values[wanted & (values == 0)] = value
