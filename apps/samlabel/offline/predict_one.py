"""What a command line asks of an image, and the answer: one mask, one sentence."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from sam_infer.automatic.example import AcceptedCase, affordable
from sam_infer.automatic.label_search import LabelMap, LabelSearch
from sam_infer.automatic.modes import (
    SEMANTIC,
    atlas_labels,
    grid_labels,
    propose_labels,
    propose_on_slice,
    selfprompt_labels,
    warped_labels,
)
from sam_infer.automatic.semantic import require_head, semantic_labels
from sam_infer.errors import PromptError
from sam_infer.imaging.image_file import read_image, read_mask
from sam_infer.imaging.volume import Mask, Volume
from sam_infer.job import Job
from sam_infer.masks.cleanup3d import Consistency
from sam_infer.prompts.object_prompts import Box, Prompts
from sam_infer.prompts.slice_index import Marks, choose_slice
from sam_infer.propagation.engine import segment_object
from sam_infer.propagation.segment import VolumeOptions
from sam_infer.slices.predictor import NO_ADAPTER, Options, Predictor
from sam_infer.weights.fingerprint import SHOWN_DIGITS
from sam_trainer.labels.cases import Case
from samlabel.label_names import LabelNames


@dataclass(frozen=True)
class Recipe:
    """The same question for every image: mode 2d, 3d or auto, and where to look."""

    mode: str
    points: tuple[str, ...] = ()  # i,j,k of the object, or i,j,k,- beside it
    box: str | None = None
    plane: str | None = None
    auto: str = "propose"
    options: Options = field(default_factory=Options)
    names: LabelNames = field(default_factory=LabelNames)

    @property
    def facts(self) -> dict[str, Any]:
        """What decides the masks: two runs may share a folder when it is equal."""
        said = (
            {"points": list(self.points), "box": self.box}
            if self.mode != "auto"
            else {"auto": self.auto, "labels": list(self.names.names)}
        )
        zoom, options = self.options.zoom is not None, replace(self.options, zoom=None)
        return {"mode": self.mode, **said, "plane": self.plane, "zoom": zoom, "options": str(options)}


@dataclass(frozen=True, eq=False)
class Answer:
    """A mask on the image's grid and what to say about it."""

    mask: Mask
    sentence: str
    volume: Volume
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class OfflinePredictor:
    """A network that follows recipes; `examples` are the accepted cases it may learn from."""

    predictor: Predictor
    examples: Sequence[Case] = ()
    _read: dict[Path, AcceptedCase] = field(default_factory=dict, repr=False)

    def answer(self, recipe: Recipe, path: Path, progress: Callable[[int], None] | None = None) -> Answer:
        """What the recipe makes of one image."""
        started = time.perf_counter()
        volume = read_image(path)
        job = Job(progress=progress) if progress is not None else Job()
        if recipe.mode == "auto":
            found = self._labelled(recipe, path, volume, job)
            scores = ", ".join(f"{name} {score:.2f}" for name, score in found.scores.items())
            mask, sentence, notes = found.mask, f"{recipe.auto}: {scores or 'nothing found'}", found.notes
        elif recipe.mode == "3d":
            mask, sentence, notes = self._object(recipe, volume, job)
        else:
            mask, sentence, notes = self._slice(recipe, volume)
        seconds = time.perf_counter() - started
        if self.predictor.adapter != NO_ADAPTER:
            sentence += f", adapter {self.predictor.adapter[:SHOWN_DIGITS]}"
        return Answer(mask, f"{sentence}, {seconds:.1f} s", volume, notes)

    def _slice(self, recipe: Recipe, volume: Volume) -> tuple[Mask, str, tuple[str, ...]]:
        prompts, marks = parsed(volume, recipe.points, recipe.box, recipe.plane)
        index, notes = choose_slice(volume.geometry, prompts.axis, None, marks)
        found = self.predictor.predict(volume, prompts, index, recipe.options)
        sentence = (
            f"{int(found.pixels.sum())} voxels on slice {index} (axis {'ijk'[found.view.axis]}), "
            f"score {found.score:.2f}, stability {found.stability:.2f}, window {found.window.name}"
        )
        return found.mask(volume), sentence, tuple(notes)

    def _object(self, recipe: Recipe, volume: Volume, job: Job) -> tuple[Mask, str, tuple[str, ...]]:
        prompts, _ = parsed(volume, recipe.points, recipe.box, recipe.plane)
        wanted = Consistency(keep_largest=recipe.options.keep_largest)
        options = VolumeOptions(replace(recipe.options, keep_largest=False), consistency=wanted)
        found = segment_object(self.predictor, volume, prompts, options, job)
        where = f"slices {found.slices[0]} to {found.slices[-1]}" if found.slices else "nowhere"
        sentence = (
            f"{int(np.count_nonzero(found.mask.array))} voxels on {where} (axis {'ijk'[found.axis]}), "
            f"score {found.score:.2f}"
        )
        return found.mask, sentence, found.notes

    def _labelled(self, recipe: Recipe, path: Path, volume: Volume, job: Job) -> LabelMap:
        axis = 2 if recipe.plane is None else volume.geometry.axis_of_plane(recipe.plane)
        length = volume.geometry.shape[axis]
        names = recipe.names.names
        if recipe.auto == SEMANTIC and not recipe.names.strict:
            names = require_head(self.predictor).labels
        search = LabelSearch(self.predictor, volume, axis, range(length), names, recipe.options.window, None, job)
        if recipe.auto == SEMANTIC:
            return semantic_labels(search)
        if recipe.auto == "propose":
            return propose_labels(search, length // 2) if length > 1 else propose_on_slice(search, 0)
        others = (case for case in self.examples if case.image.resolve() != path.resolve())
        cases = affordable(self._example(case, recipe.names) for case in others)
        if recipe.auto == "grid":
            return grid_labels(search, warped_labels(search, cases))
        return atlas_labels(search, cases) if recipe.auto == "atlas" else selfprompt_labels(search, cases)

    def _example(self, case: Case, names: LabelNames) -> AcceptedCase:
        if case.image not in self._read:
            labels = names.renumbered(read_mask(case.label), case.labels)
            self._read[case.image] = AcceptedCase(read_image(case.image), labels)
        return self._read[case.image]


def parsed(volume: Volume, points: Sequence[str], box: str | None, plane: str | None) -> tuple[Prompts, Marks]:
    """The prompts of a command line, and the same in the order in which they were typed."""
    axis = 2 if plane is None else volume.geometry.axis_of_plane(plane)
    voxels, labels = [], []
    for text in points:
        parts = text.replace(" ", "").split(",")
        labels.append(0 if parts[-1] == "-" else 1)
        voxels.append(_numbers("point", ",".join(parts[:-1] if parts[-1] in "+-" else parts), (3,), volume))
    array, chosen = np.array(voxels, np.int64).reshape(-1, 3), np.array(labels, np.int64)
    corners = Box.of(*_corners(box, array, volume)).clipped(volume.geometry) if box else None
    prompts = Prompts(axis, array, chosen, corners).checked(volume.geometry)
    return prompts, Marks(array[chosen == 1], array[chosen == 0], corners)


def _corners(box: str, points: np.ndarray, volume: Volume) -> tuple[list[int], list[int]]:
    """Two corners of a box that was given in one slice or in space."""
    numbers = _numbers("box", box, (4, 5, 6), volume)
    if len(numbers) == 6:
        return numbers[:3], numbers[3:]
    i0, j0, i1, j1 = numbers[:4]
    if len(numbers) == 5:
        k = numbers[4]
    elif volume.geometry.shape[2] == 1:
        k = 0
    else:
        slices = {int(p[2]) for p in points}
        if len(slices) != 1:
            raise PromptError("box needs its slice: i0,j0,i1,j1,k", "box")
        k = slices.pop()
    return [i0, j0, k], [i1, j1, k]


def _numbers(name: str, text: str, lengths: tuple[int, ...], volume: Volume) -> list[int]:
    """Whole numbers between commas; a point of a picture may leave out its only slice."""
    try:
        numbers = [int(part) for part in text.split(",")]
    except ValueError:
        raise PromptError(f"{name} must be whole numbers between commas, got {text!r}", name) from None
    if name == "point" and len(numbers) == 2 and volume.geometry.shape[2] == 1:
        numbers.append(0)
    if len(numbers) not in lengths:
        wanted = " or ".join(str(length) for length in lengths)
        raise PromptError(f"{name} must have {wanted} numbers, got {text!r}", name)
    return numbers
