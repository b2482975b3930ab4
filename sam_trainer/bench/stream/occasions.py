"""Streams: cases in the order in which a reader meets them, with the objects that are asked on each.

Of a folder the cases come by name, and of each the objects that its label would teach. The procedural stream `biased`
has an object in which the network always takes the bright core, and the reader always means the whole.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from sam_infer.arrays import BoolArray
from sam_infer.imaging.geometry import Geometry
from sam_infer.imaging.slice_view import SliceView
from sam_infer.imaging.volume import Volume
from sam_trainer.labels.cases import Case, Source, labelled_image, spread
from sam_trainer.online.teaching import TaughtObject, objects_of
from sam_trainer.reports.table import modality_group
from sam_trainer.synthetic.cohorts import pictures

BIASED = "biased"

# Cases of the procedural stream, and its pixels in mm.
LENGTH, PIXEL_MM = 40, 2.0

Opened = tuple[Volume, list[TaughtObject]]


@dataclass(frozen=True, eq=False)
class Occasion:
    """One case of a stream; `open` reads it."""

    name: str
    modality: str
    open: Callable[[], Opened]


@dataclass(frozen=True, eq=False)
class Stream:
    """Cases in time order."""

    source: str
    occasions: Sequence[Occasion]
    headline: bool = True


def biased(length: int = LENGTH, seed: int = 0) -> Stream:
    """The procedural stream."""
    names = [f"biased_{number:02d}" for number in range(length)]
    return Stream(BIASED, [Occasion(name, "MR", partial(_nested, seed, n)) for n, name in enumerate(names)])


def of_sources(sources: Sequence[Source], limit: int | None = None) -> list[Stream]:
    """A stream per folder; `limit` keeps that many cases of each, evenly spread over its list."""
    return [
        Stream(
            source.name,
            [Occasion(c.name, modality_group(c.modality), partial(_read, c)) for c in spread(source.cases, limit)],
            source.headline,
        )
        for source in sources
    ]


def redrawn(mask: BoolArray, rng: np.random.Generator) -> BoolArray:
    """A careless outline of a mask (H, W): 5 to 10 % of its radius too far in or out."""
    from scipy import ndimage  # takes a moment to import

    radius = float(np.sqrt(mask.sum() / np.pi))
    shift = float(rng.choice((-1.0, 1.0)) * rng.uniform(0.05, 0.1)) * radius
    inside, outside = ndimage.distance_transform_edt(mask), ndimage.distance_transform_edt(~mask)
    drawn = np.asarray(inside - outside + np.where(mask, -0.5, 0.5) > -shift)
    return drawn if drawn.any() else mask


def _nested(seed: int, number: int) -> Opened:
    image, _, whole = pictures.nested(np.random.default_rng((seed, number)))
    height, width = image.shape
    geometry = Geometry((height, width, 1), np.diag([PIXEL_MM, PIXEL_MM, 4 * PIXEL_MM, 1.0]))
    volume = Volume(np.asfortranarray(image[..., None].astype(np.int16)), geometry, "MR")
    view = SliceView.of(geometry, 2, 0)
    return volume, [TaughtObject("object", view, np.asarray(view.extract(whole[..., None])))]


def _read(case: Case) -> Opened:
    volume, labels = labelled_image(case)
    return volume, objects_of(case, labels)
