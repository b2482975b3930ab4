"""Labelled cases of studies folders, and their connected components as objects to be segmented.

A studies folder holds images at the top, label maps of the same name in `labels/final/`, and an optional
`dataset.json` that names label values and tags per case. One object is one connected component of at least
`MIN_PIXELS` on one slice. Of a volume, each label gives at most three slices: the one with its largest area, and those
at one and three quarters of the slices it is visible on.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from scipy import ndimage

from sam_infer.arrays import BoolArray, UInt8Array
from sam_infer.errors import VolumeError
from sam_infer.imaging.geometry import Geometry
from sam_infer.imaging.image_file import FLAT_SUFFIXES, read_image, read_marked, read_mask, suffix_of
from sam_infer.imaging.slice_view import SliceView
from sam_infer.imaging.volume import NO_TAGS, Mask, Tags, Volume
from sam_trainer.labels.dataset_file import FILE, facts_of, read_dataset, said_tags

MIN_PIXELS = 50

# Dense instance labels (cells) give hundreds of objects per slice; this many, spread over their sizes, tell as much.
MAX_PER_SLICE = 20

# Slices are taken across the axis whose spacing is this much coarser than the others; else across k.
COARSER = 1.2

# Label maps that no box or point describes: vessels two pixels wide, membranes, crowds of small cells. They get rows
# of their own. A dataset.json says the same of its source with `"headline": false`.
SEPARATE_SOURCES = frozenset({"fundus_chasedb1", "em_membrane_isbi2012", "sem_axon_ivadomed", "stardist_nuclei"})

# Whole DICOM series for loading tests: the same patients again.
REPEATED_SOURCES = frozenset({"dicom"})

LABELS = Path("labels") / "final"


@dataclass(frozen=True)
class Case:
    """One image with its label map."""

    source: str
    name: str
    image: Path
    label: Path
    modality: str
    labels: Mapping[int, str]  # value -> name; empty means every value of the map counts
    includes: Mapping[int, tuple[int, ...]]  # outer value -> values of the structures inside it
    tags: Tags = NO_TAGS  # as far as the studies say; the image's file may say more: `case_tags`


@dataclass(frozen=True)
class Source:
    """Cases of one origin; only headline sources enter the mean over sources."""

    name: str
    cases: tuple[Case, ...]
    headline: bool = True


@dataclass(frozen=True, eq=False)
class Target:
    """One object on one slice."""

    case: Case
    label: str
    view: SliceView
    mask: BoolArray  # (H, W) display orientation
    number: int = 0  # among the objects of its label on its slice

    @property
    def key(self) -> str:
        """What tells it from every other object, whatever else is measured."""
        place = f"{self.view.axis}:{self.view.index}/{self.number}"
        return f"{self.case.source}/{self.case.name}/{self.label}/{place}"


@dataclass(frozen=True)
class Subject:
    """One case with the objects that are asked of it."""

    case: Case
    targets: tuple[Target, ...]
    headline: bool


def read_sources(folder: Path, separate: Sequence[str] = ()) -> list[Source]:
    """The sources under `folder`: a studies folder itself, or a folder of studies folders.

    `separate` names further sources to keep out of the headline. Repeated sources count only when `folder` is one.
    """
    if not folder.is_dir():
        raise VolumeError(f"there is no studies folder {folder}", "studies")
    if _is_studies(folder):
        folders = [folder]
    else:
        folders = [f for f in sorted(folder.iterdir()) if f.is_dir() and f.name not in REPEATED_SOURCES]
    sources = [_source(f, f.name in separate) for f in folders if _is_studies(f)]
    sources = [source for source in sources if source.cases]
    if not sources:
        raise VolumeError(
            f"{folder} holds no labelled studies: images at the top and label maps in {LABELS}/ are expected", "studies"
        )
    return sources


def described_cases(folder: Path) -> dict[str, Case]:
    """What a studies folder says about its labelled cases, by name; nothing where it holds none."""
    return {case.name: case for case in _source(folder, separate=False).cases}


def collect(sources: Sequence[Source], limit: int | None = None) -> list[Subject]:
    """Every case with its objects; `limit` keeps that many objects per source, evenly spread over its list."""
    subjects = []
    for source in sources:
        found = [(case, targets_of(case)) for case in source.cases]
        kept = spread([target for _, targets in found for target in targets], limit)
        for case, _ in found:
            targets = tuple(target for target in kept if target.case is case)
            if targets:
                subjects.append(Subject(case, targets, source.headline))
    return subjects


def targets_of(case: Case) -> list[Target]:
    """The objects of a case, in a fixed order."""
    labels = read_mask(case.label)
    axis = slice_axis(labels.geometry)
    names = case.labels or {value: f"label {value}" for value in labels.values()}
    targets = []
    for value, name in sorted(names.items()):
        whole = np.isin(labels.array, (value, *case.includes.get(value, ())))
        for index in chosen_slices(whole, axis):
            view = SliceView.of(labels.geometry, axis, index)
            parts = components(view.extract(whole))
            targets += [Target(case, name, view, part, number) for number, part in enumerate(parts)]
    return targets


def slice_axis(geometry: Geometry) -> int:
    """The stored axis that slices run across: the clearly coarsest one, else k."""
    spacing = geometry.spacing_mm
    coarsest = int(np.argmax(spacing))
    others = [s for axis, s in enumerate(spacing) if axis != coarsest]
    clearly = geometry.shape[2] > 1 and spacing[coarsest] > COARSER * max(others)
    return coarsest if clearly else 2


def chosen_slices(mask: BoolArray, axis: int) -> list[int]:
    """Indices along `axis` of a label (I, J, K) to measure on, sorted."""
    areas = mask.sum(axis=tuple(a for a in range(3) if a != axis))
    visible = np.flatnonzero(areas >= MIN_PIXELS)
    if not len(visible):
        return []
    quarters = (visible[(len(visible) - 1) // 4], visible[(3 * (len(visible) - 1) + 3) // 4])
    return sorted({int(areas.argmax()), *(int(index) for index in quarters)})


def components(mask: BoolArray) -> list[BoolArray]:
    """Parts of a slice (H, W) joined by pixel edges, of at least `MIN_PIXELS`, at most `MAX_PER_SLICE` of them."""
    numbered, count = ndimage.label(mask)
    sizes = np.bincount(numbered.ravel(), minlength=count + 1)
    big = [number for number in range(1, count + 1) if sizes[number] >= MIN_PIXELS]
    if len(big) > MAX_PER_SLICE:
        big = sorted(spread(sorted(big, key=lambda number: (sizes[number], number)), MAX_PER_SLICE))
    return [np.asarray(numbered == number) for number in big]


def spread(items: Sequence[Any], limit: int | None) -> list[Any]:
    """At most `limit` items, evenly spread over the list."""
    if limit is None or len(items) <= limit:
        return list(items)
    return [items[int((n + 0.5) * len(items) / limit)] for n in range(limit)]


def _is_studies(folder: Path) -> bool:
    return (folder / LABELS).is_dir() or (folder / FILE).exists()


def _source(folder: Path, separate: bool) -> Source:
    described = read_dataset(folder)
    cases = [_case(folder, image, described) for image in sorted(folder.iterdir())]
    apart = separate or folder.name in SEPARATE_SOURCES or described.get("headline") is False
    return Source(folder.name, tuple(case for case in cases if case is not None), not apart)


def _case(folder: Path, image: Path, described: Mapping[str, Any]) -> Case | None:
    """The case of one entry of a studies folder; None where there is no image or no label."""
    series_label = image / "label.nii.gz"
    if image.is_dir() and series_label.exists():
        name, label = image.name, series_label
    else:
        name = image.name[: len(image.name) - len(suffix_of(image))]
        found = _label_of(folder, name) if image.is_file() and suffix_of(image) else None
        if found is None:
            return None
        label = found
    facts, tags = facts_of(folder, name, described), said_tags(folder, name, described)
    case = Case(folder.name, name, image, label, str(facts.get("modality", "unknown")), {}, {}, tags)
    try:
        labels = {int(value): str(text) for value, text in facts.get("labels", {}).items()}
        includes = {int(v): tuple(int(i) for i in inner) for v, inner in facts.get("includes", {}).items()}
    except (AttributeError, TypeError, ValueError) as error:
        raise VolumeError(f"{folder.name}/dataset.json: the labels of {name} must be numbers", "studies") from error
    return replace(case, labels=labels, includes=includes)


def _label_of(folder: Path, name: str) -> Path | None:
    files = sorted((folder / LABELS).iterdir()) if (folder / LABELS).is_dir() else []
    return next((file for file in files if file.name[: len(file.name) - len(suffix_of(file))] == name), None)


def labelled_image(case: Case, read: Callable[[int | None], Volume] | None = None) -> tuple[Volume, Mask]:
    """A case's image and its label on the image's grid; refused when they do not lie on each other.

    `read` brings the image, of one in time a phase; without it the file is read.
    """
    read = read or (lambda phase: read_image(case.image, phase=phase))
    volume = read(None)
    mask, phase = read_marked(case.label, volume.geometry)
    if phase:
        volume = read(phase)
    if suffix_of(case.image) in FLAT_SUFFIXES and mask.geometry.shape == volume.geometry.shape:
        mask = Mask(mask.array, volume.geometry)  # a photograph has no place in space
    mask.require_same_grid(volume.geometry, f"the label of {case.name}")
    if not mask.array.any():
        raise VolumeError(f"the label of {case.name} is empty", "label")
    if case.labels:
        known = set(case.labels) | {inner for values in case.includes.values() for inner in values}
        unknown = sorted(set(mask.values()) - known)
        if unknown:
            raise VolumeError(f"the label of {case.name} holds the value {unknown[0]}, which has no name", "label")
    return volume, mask


def case_tags(case: Case, volume: Volume) -> Tags:
    """The tags of a case whose image is read: the studies' word goes before that of the image's file."""
    return case.tags.over(volume.tags)


def renumbered(mask: Mask, names: Mapping[int, str], labels: Sequence[str]) -> UInt8Array:
    """A case's values as places in `labels`, from 1; other labels become 0."""
    table = np.zeros(256, np.uint8)
    for value in mask.values():
        name = names.get(value, "" if names else f"label {value}")
        if name in labels:
            table[value] = labels.index(name) + 1
    return np.asarray(table[mask.array])
