"""Batch prediction on every image of a folder: resumable, finished masks kept, failures told apart.

`predictions.json` in the output folder records what was asked and what is done; it is replaced after every case, so a
run that was interrupted goes on where it was.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sam_infer.errors import SamError, VolumeError
from sam_infer.files import write_whole
from sam_infer.imaging.image_file import suffix_of
from samlabel.errors import ConfigError
from samlabel.store.answers import FOLDER_RECORD, answers_in

if TYPE_CHECKING:  # the images of a folder are listed before torch is loaded
    from samlabel.offline.predict_one import Predicted

# What a mask of a picture, and of a volume, is written as.
MASK_SUFFIXES = (".png", ".nii.gz")


@dataclass
class Outcome:
    """What became of the cases of a folder."""

    done: list[str] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)  # case to sentence
    seconds: float = 0.0

    @property
    def sentence(self) -> str:
        """One line for the end of a run."""
        cases = len(self.done) + len(self.skipped) + len(self.failed)
        return (
            f"{cases} cases: {len(self.done)} done, {len(self.skipped)} finished before, "
            f"{len(self.failed)} failed, {self.seconds:.1f} s"
        )


def images_in(folder: Path) -> dict[str, Path]:
    """The images of a folder by name: files at the top, else subfolders with a DICOM series each.

    None in a folder of DICOM files: it is one image itself, whatever lies beside the slices.
    """
    answers = answers_in(folder)
    files = [path for path in sorted(folder.iterdir()) if path.is_file() and not path.name.startswith(".")]
    if any(_is_dicom(path) for path in files):
        return {}
    found: dict[str, Path] = {}
    for path in files:
        suffix = suffix_of(path)
        if not suffix or path.name in answers:
            continue
        name = path.name[: -len(suffix)]
        if name in found:
            raise VolumeError(
                f"{folder.resolve()} has two images called {name} ({found[name].name} and {path.name}): rename or move "
                "one",
                "image",
            )
        found[name] = path
    if found:
        return found
    folders = [path for path in sorted(folder.iterdir()) if path.is_dir() and any(path.glob("*.dcm"))]
    return {path.name: path for path in folders}


def _is_dicom(path: Path) -> bool:
    """By name, or by the mark that follows the preamble: archives export slices without a suffix."""
    if suffix_of(path):
        return suffix_of(path) == ".dcm"
    with path.open("rb") as file:
        return file.read(132)[128:] == b"DICM"


@dataclass(frozen=True, eq=False)
class FolderRun:
    """Where masks go and by which settings they are made."""

    out: Path
    settings: Mapping[str, Any]
    force: bool = False

    def over(
        self, images: Mapping[str, Path], answer: Callable[[str, Path], Predicted]
    ) -> Iterator[tuple[str, Outcome]]:
        """Every image in turn; after each its name and what became of the run so far."""
        outcome, record, started = Outcome(), self._record(), time.perf_counter()
        for name, path in images.items():
            known = record["cases"].get(name)
            if known is not None and (self.out / known["file"]).is_file():
                outcome.skipped.append(name)
            else:
                self._one(name, path, answer, outcome, record)
            outcome.seconds = time.perf_counter() - started
            yield name, outcome

    def _one(
        self, name: str, path: Path, answer: Callable[[str, Path], Predicted], outcome: Outcome, record: dict[str, Any]
    ) -> None:
        started = time.perf_counter()
        taken = next((f"{name}{suffix}" for suffix in MASK_SUFFIXES if (self.out / f"{name}{suffix}").exists()), None)
        if taken is not None and not self.force:
            outcome.failed[name] = f"{taken} exists and is not of this run: move it, or use --force to replace it"
            return
        try:
            found = answer(name, path)
            file = found.write(self.out / f"{name}{MASK_SUFFIXES[not flat(found)]}")
        except SamError as error:
            outcome.failed[name] = str(error)
            return
        record["cases"][name] = {
            "file": file.name,
            "voxels": found.voxels,
            "said": found.sentence,
            "notes": list(found.notes),
            "seconds": round(time.perf_counter() - started, 2),
        }
        self._write(record)
        outcome.done.append(name)

    def _record(self) -> dict[str, Any]:
        """What is done already by these settings; masks of other settings are not mixed with ours."""
        file = self.out / FOLDER_RECORD
        fresh: dict[str, Any] = {"settings": dict(self.settings), "cases": {}}
        if self.force or not file.is_file():
            return fresh
        try:
            found = json.loads(file.read_text())
            same, cases = found["settings"] == fresh["settings"], dict(found["cases"])
        except (ValueError, KeyError, TypeError):
            raise ConfigError(
                f"{file} is damaged: delete it, or use --force to answer all cases again", "out"
            ) from None
        if not same:
            raise ConfigError(
                f"{self.out} holds masks made by other settings: choose another --out, or use --force to answer all "
                "cases again",
                "out",
            )
        return {**fresh, "cases": cases}

    def _write(self, record: Mapping[str, Any]) -> None:
        write_whole(self.out / FOLDER_RECORD, json.dumps(record, indent=1))


def answered(out: Path, images: Mapping[str, Path]) -> Iterator[tuple[str, Path, Path]]:
    """Name, image and mask of every case whose mask is there, from this run or an earlier one."""
    try:
        cases = json.loads((out / FOLDER_RECORD).read_text())["cases"]
    except FileNotFoundError:  # every case failed
        return
    for name, path in images.items():
        if name in cases and (out / cases[name]["file"]).is_file():
            yield name, path, out / cases[name]["file"]


def flat(answer: Predicted) -> bool:
    """Whether a mask fits a picture file."""
    return answer.is_flat
