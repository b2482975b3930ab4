"""Exports accepted labels for other tools: images, label maps with consistent values, and the split.

A name means one value in all cases, 1..n without gaps. A folder appears whole or not at all.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from sam_infer.errors import VolumeError
from sam_infer.files import file_sha256
from sam_infer.imaging.image_file import FLAT_SUFFIXES, read_mask, suffix_of
from sam_infer.imaging.volume import Mask, Volume
from sam_trainer.errors import TrainingError
from sam_trainer.labels.cases import Case, labelled_image
from sam_trainer.labels.round import AcceptedLabel, part_of

# What was exported, and from which labels.
MANIFEST = "export.json"

_NOT_PLAIN = re.compile(r"[^A-Za-z0-9-]+")


@dataclass(frozen=True)
class Taken:
    """One case of an export."""

    name: str  # in the export: letters, digits, - and _
    case: str
    part: str
    label_sha256: str
    modality: str
    flat: bool  # a photograph, without a place in space
    labels: tuple[str, ...]  # that its reader named


@dataclass(frozen=True)
class Exported:
    """What was written, and what could not be."""

    cases: tuple[Taken, ...]
    labels: dict[str, int]
    left_out: tuple[str, ...]  # a sentence each

    @property
    def incomplete(self) -> dict[str, list[str]]:
        """Labels that a case does not name: whether they are absent or were not looked for, nobody said."""
        missing = {taken.case: [name for name in self.labels if name not in taken.labels] for taken in self.cases}
        return {case: names for case, names in missing.items() if names}

    def of(self, *parts: str) -> list[str]:
        """Names of the cases of some parts."""
        return [taken.name for taken in self.cases if taken.part in parts]


class ExportFormat(Protocol):
    """How a tool wants its files. A new tool is a new layout."""

    def place(self, folder: Path, taken: Taken, volume: Volume, mask: Mask) -> None:
        """Write one case."""
        ...

    def describe(self, folder: Path, exported: Exported) -> None:
        """Write what the tool reads first, when all cases are there."""
        ...


def export(accepted: Sequence[AcceptedLabel], layout: ExportFormat, out: Path) -> Exported:
    """Write labels and their images to a folder that does not exist yet."""
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise TrainingError(f"{out} is there already: give a folder that does not exist", "out")
    if not accepted:
        raise TrainingError("there is no accepted label to export yet: submit at least one", "studies")
    part = out.with_name(f".{out.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    try:
        part.mkdir(parents=True)
        exported = _written(accepted, layout, part)
        layout.describe(part, exported)
        (part / MANIFEST).write_text(json.dumps(_manifest(exported), indent=1) + "\n")
        if out.exists():
            out.rmdir()
        part.rename(out)
    except OSError as error:
        raise TrainingError(f"{out} could not be written ({error.strerror or error}): free some space") from error
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return exported


def _written(accepted: Sequence[AcceptedLabel], layout: ExportFormat, folder: Path) -> Exported:
    values = _values(accepted)
    cases: list[Taken] = []
    left_out = []
    for entry in accepted:
        case = entry.case
        try:
            volume, mask = labelled_image(case)
        except VolumeError as error:
            left_out.append(f"{case.name} is left out: {error}")
            continue
        used = {taken.name for taken in cases}
        names = tuple(name for _, name in sorted(_names(case).items()))
        flat = suffix_of(case.image) in FLAT_SUFFIXES
        plain, part = _plain(case.name, used), part_of(entry.patient or case.name)
        taken = Taken(plain, case.name, part, file_sha256(case.label), case.modality, flat, names)
        layout.place(folder, taken, volume, _renumbered(case, mask, values))
        cases.append(taken)
    if not cases:
        raise TrainingError(f"nothing could be exported: {'; '.join(left_out)}", "studies")
    return Exported(tuple(cases), values, tuple(left_out))


def _values(accepted: Sequence[AcceptedLabel]) -> dict[str, int]:
    """A value for every name, in the order of first mention."""
    names = [name for entry in accepted for _, name in sorted(_names(entry.case).items())]
    return {name: value for value, name in enumerate(dict.fromkeys(names), 1)}


def _names(case: Case) -> dict[int, str]:
    """The names of a case's values; values that nobody named are called by their number."""
    if case.labels:
        return dict(case.labels)
    return {value: f"label {value}" for value in read_mask(case.label).values()}


def _renumbered(case: Case, mask: Mask, values: dict[str, int]) -> Mask:
    table = np.zeros(256, np.uint8)
    for value, name in _names(case).items():
        table[value] = values[name]
    return Mask(np.asfortranarray(table[mask.array]), mask.geometry)


def _plain(name: str, used: set[str]) -> str:
    """A name that no tool stumbles over, and that no other case has."""
    plain = _NOT_PLAIN.sub("_", name).strip("_") or "case"
    number, found = 1, plain
    while found in used:
        number += 1
        found = f"{plain}-{number}"
    return found


def _manifest(exported: Exported) -> dict[str, Any]:
    return {
        "labels": exported.labels,
        "cases": [vars(taken) for taken in exported.cases],
        "left_out": list(exported.left_out),
    }
