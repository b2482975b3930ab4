"""`samlabel bench volumes`: measure every protocol on every structure, make the rows, lay out the page."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from sam_infer.arrays import BoolArray, UInt8Array
from sam_infer.automatic.example import AcceptedCase
from sam_infer.imaging.image_file import read_image
from sam_infer.imaging.volume import Mask
from sam_infer.imaging.window import choose_window
from sam_infer.networks.backbone import Backbone
from sam_infer.propagation.options import VolumeOptions
from sam_trainer.bench.figures import RANKS
from sam_trainer.bench.gallery import picture
from sam_trainer.bench.runs import GREEN_RED, Outcome
from sam_trainer.bench.volumes import EXTRUDED, ORACLE, Protocol3d, answers, corrected, seeded, views
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

# What is measured: prompts of one kind each, a reader who corrects, or one prompted case that serves the others.
ALL, CLICKS, SEED = "all", "clicks", "seed"

# Which slices of a structure are pictured, as shares of the way through it.
PICTURED = (0.1, 0.3, 0.5, 0.7, 0.9)
PICTURED_PROTOCOLS = {ALL: ("middle_box",), CLICKS: ("after_5",), SEED: ("seed",)}

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
    "above_warped",
    "confidence",
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
    protocol: str = ALL,
) -> Outcome:
    """All protocols on `(headline, structure)` pairs; `protocol` says which."""
    kept, seen = journal or Journal(), _Seen()
    named = {f"volumes: {one.case.source}/{one.case.name} {one.label}": (head, one) for head, one in structures}
    kept.expect(list(named))
    for key, (headline, structure) in named.items():

        def work(headline: bool = headline, structure: Structure = structure) -> list[dict[str, Any]]:
            volume = read_image(structure.case.image)
            trial = Protocol3d(structure, volume, backbone, options)
            if protocol == SEED:
                trial = replace(trial, seeds=tuple(seeds_of(structure, structures)))
                if not trial.seeds:
                    return []
            return plain_observations(_structure(trial, headline, seen.strips, protocol))

        seen.observations += read_observations(kept.unit(key, work))
    rows = [_compared(row, rows_of) for rows_of in (table(seen.observations, seed=seed),) for row in rows_of]
    return Outcome(rows, _page(backbone.name, rows, seen.strips))


def _structure(trial: Protocol3d, headline: bool, strips: dict[str, list[Strip]], protocol: str) -> list[Observation]:
    structure, case = trial.structure, trial.structure.case
    found = []
    for name, mask, values in _measured(trial, protocol):
        keys = (("protocol", name),)
        found.append(
            Observation(case.source, case.name, structure.label, modality_group(case.modality), headline, keys, values)
        )
        if name in PICTURED_PROTOCOLS[protocol]:
            strips[case.source].append(strip(trial, mask, values["dice"]))
    return found


def _measured(trial: Protocol3d, protocol: str) -> Iterator[tuple[str, BoolArray, dict[str, float]]]:
    bounds = (EXTRUDED, ORACLE)
    if protocol == CLICKS:
        return chain(corrected(trial), answers(trial, bounds))
    return chain(seeded(trial), answers(trial, ("middle_box", *bounds))) if protocol == SEED else answers(trial)


def seeds_of(structure: Structure, structures: Sequence[tuple[bool, Structure]]) -> Iterator[AcceptedCase]:
    """Other cases of the source with the same label, of those with several structures the first."""
    taken = {structure.case.name}
    for _, other in structures:
        same = other.case.source == structure.case.source and other.label == structure.label
        if same and other.case.name not in taken:
            taken.add(other.case.name)
            volume = read_image(other.case.image)
            yield AcceptedCase(volume, Mask(np.asfortranarray(other.mask, np.uint8), volume.geometry))


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
        "Best, median and worst of every source: one box on the middle slice, or what the protocol makes of it"
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
