"""`samlabel bench volumes`: measure every protocol on every structure, make the rows, lay out the page."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from sam_infer.arrays import BoolArray, UInt8Array
from sam_infer.imaging.image_file import read_image
from sam_infer.imaging.window import choose_window
from sam_infer.networks.backbone import Backbone
from sam_infer.propagation.options import VolumeOptions
from sam_trainer.bench.figures import RANKS
from sam_trainer.bench.gallery import picture
from sam_trainer.bench.runs import GREEN_RED, Outcome
from sam_trainer.bench.volumes import EXTRUDED, ORACLE, Protocol3d, answers, corrected, views
from sam_trainer.labels.objects3d import Structure
from sam_trainer.reports.journal import Journal
from sam_trainer.reports.page import Page
from sam_trainer.reports.table import (
    MEAN,
    Observation,
    Row,
    modality_group,
    plain_observations,
    read_observations,
    table,
)

# Which slices of a structure are pictured, as shares of the way through it.
PICTURED = (0.1, 0.3, 0.5, 0.7, 0.9)
PICTURED_PROTOCOLS = ("middle_box", "after_5")

COLUMNS = (
    "protocol",
    "n",
    "dice",
    "ci_low",
    "ci_high",
    "of_ceiling",
    "above_extruded",
    "hd95_mm",
    "nsd",
    "extent_error",
    "slices_viewed",
    "seconds",
)


@dataclass(frozen=True, eq=False)
class Strip:
    """Pictures of one answer, slice by slice (SIDE, len(PICTURED) * SIDE, 3)."""

    caption: str
    dice: float
    picture: UInt8Array


@dataclass
class _Seen:
    """What was measured so far."""

    observations: list[Observation] = field(default_factory=list)
    strips: dict[str, list[Strip]] = field(default_factory=lambda: defaultdict(list))


def run_volumes(
    backbone: Backbone,
    structures: Sequence[tuple[bool, Structure]],
    options: VolumeOptions,
    seed: int,
    journal: Journal | None = None,
    clicks: bool = False,
) -> Outcome:
    """All protocols on `(headline, structure)` pairs; with `clicks` a reader who corrects, and his bounds."""
    kept, seen = journal or Journal(), _Seen()
    named = {f"volumes: {one.case.source}/{one.case.name} {one.label}": (head, one) for head, one in structures}
    kept.expect(list(named))
    for key, (headline, structure) in named.items():

        def work(headline: bool = headline, structure: Structure = structure) -> list[dict[str, Any]]:
            volume = read_image(structure.case.image)
            trial = Protocol3d(structure, volume, backbone, options)
            return plain_observations(_structure(trial, headline, seen.strips, clicks))

        seen.observations += read_observations(kept.unit(key, work))
    rows = [_compared(row, rows_of) for rows_of in (table(seen.observations, seed=seed),) for row in rows_of]
    return Outcome(rows, _page(backbone.name, rows, seen.strips))


def _structure(trial: Protocol3d, headline: bool, strips: dict[str, list[Strip]], clicks: bool) -> list[Observation]:
    structure, case = trial.structure, trial.structure.case
    found = []
    measured = chain(corrected(trial), answers(trial, (EXTRUDED, ORACLE))) if clicks else answers(trial)
    for protocol, mask, values in measured:
        keys = (("protocol", protocol),)
        found.append(
            Observation(case.source, case.name, structure.label, modality_group(case.modality), headline, keys, values)
        )
        if protocol in PICTURED_PROTOCOLS:
            strips[case.source].append(strip(trial, mask, values["dice"]))
    return found


def strip(trial: Protocol3d, mask: BoolArray, dice: float) -> Strip:
    """Truth in green and an answer (I, J, K) in red, on five slices."""
    structure, volume = trial.structure, trial.volume
    typical = float(np.median(volume.array[structure.mask]))
    window = choose_window(volume, trial.options.slice.window, typical)
    shots = [
        picture(window.apply(volume.pixels(view)), view.extract(structure.mask), view.extract(mask))
        for view in views(structure, volume, PICTURED)
    ]
    return Strip(f"{structure.case.name} {structure.label}", dice, np.concatenate(shots, axis=1))


def _compared(row: Row, rows: Sequence[Row]) -> Row:
    """A row with its Dice against the ceiling and the extruded box of the same group."""
    same = {
        other["protocol"]: other["dice"]
        for other in rows
        if all(other[key] == row[key] for key in ("source", "label", "modality"))
    }
    ceiling = same[ORACLE]
    return {
        **row,
        "of_ceiling": round(row["dice"] / ceiling, 4) if ceiling else float("nan"),
        "above_extruded": round(row["dice"] - same[EXTRUDED], 4),
    }


def _page(model: str, rows: Sequence[Row], strips: dict[str, list[Strip]]) -> Page:
    page = Page(f"Volumes: {model}")
    page.table("Mean over sources", [row for row in rows if row["source"] == MEAN], COLUMNS)
    page.table("By structure", [row for row in rows if row["label"] != "all"], ("source", "label", *COLUMNS))
    page.heading(
        "Best, median and worst of every source: one box on the middle slice, with --clicks after 5 corrections"
    )
    page.text(GREEN_RED)
    for source, some in sorted(strips.items()):
        page.figure(f"strip-{source}", _figure(source, some))
    return page


def _figure(source: str, strips: list[Strip]) -> Figure:
    order = sorted(strips, key=lambda one: -one.dice)
    picks = (order[0], order[len(order) // 2], order[-1])
    figure = Figure(figsize=(10, 2.3 * len(picks)))
    for axes, rank, one in zip(figure.subplots(len(picks), 1), RANKS, picks, strict=True):
        axes.imshow(one.picture)
        axes.set_title(f"{source}: {one.caption[:50]}, {rank}: {one.dice:.2f}", fontsize=8)
        axes.axis("off")
    figure.tight_layout()
    return figure
