"""`samlabel say` on one image: commands in words, the mask that they make, and a sentence for each of them."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np

from sam_infer.automatic.example import AcceptedCase
from sam_infer.automatic.label_search import LabelSearch
from sam_infer.errors import PromptError
from sam_infer.imaging.image_file import read_image, read_mask
from sam_infer.imaging.volume import Mask, Volume
from sam_infer.job import Job
from sam_infer.prompts.language.grammar import Understood, understood
from sam_infer.prompts.object_prompts import Prompts
from sam_infer.slices.predictor import Options
from sam_infer.spoken.dialogue import Dialogue, Spoken
from sam_infer.spoken.learned_boxes import LearnedBoxes
from sam_infer.spoken.scene import Scene
from sam_infer.spoken.text_to_box import TextToBox, plugged
from sam_trainer.labels.cases import described_cases
from sam_trainer.labels.dataset_file import tags_of_image
from samlabel.errors import NotFoundError
from samlabel.label_names import LabelNames
from samlabel.offline.predict_one import OfflinePredictor, PredictRequest


@dataclass(frozen=True)
class SayRequest:
    """What is said, about what, and where a reader looks."""

    text: str
    names: LabelNames
    label: str = ""  # what is segmented, where nobody says it
    mask: Path | None = None  # the object as it is now
    plane: str | None = None
    slice: int | None = None
    options: Options = field(default_factory=Options)

    @property
    def commands(self) -> list[Understood]:
        """The text, understood; what only a viewer can do is refused."""
        found = understood(self.text, self.names.names)
        if str(found[-1].command) == "accept":
            raise PromptError("a label is accepted in a viewer: leave accept out, the mask is written", "text")
        return found

    def scene(self, volume: Volume) -> Scene:
        """The object as it is, on the slice that is looked at."""
        axis = 2 if self.plane is None else volume.geometry.axis_of_plane(self.plane)
        drawn = Mask.empty(volume.geometry) if self.mask is None else read_mask(self.mask)
        drawn.require_same_grid(volume.geometry, "--mask")
        there = np.argwhere(drawn.array)[:, axis]
        likely = int(np.bincount(there).argmax()) if len(there) else volume.geometry.shape[axis] // 2
        index = likely if self.slice is None else self.slice
        if not 0 <= index < volume.geometry.shape[axis]:
            raise PromptError(f"slice must be from 0 to {volume.geometry.shape[axis] - 1}, got {index}", "slice")
        marked = Mask(np.asfortranarray(drawn.array > 0, np.uint8), volume.geometry)
        placed = self.slice is not None or len(there) > 0
        return Scene(Prompts(axis), index, self.label or self.names.names[0], marked, placed)


def said(network: OfflinePredictor, request: SayRequest, path: Path, job: Job) -> tuple[Spoken, Sequence[str]]:
    """What the commands make of an image, and a sentence for each."""
    started, commands, volume = time.perf_counter(), request.commands, read_image(path)
    predictor, scene = network.predictor.about(partial(tags_of_image, path, volume)), request.scene(volume)
    axis = scene.prompts.axis
    slices, names = range(volume.geometry.shape[axis]), request.names.names
    search = LabelSearch(predictor, volume, axis, slices, names, request.options.window, job=job)

    def cases() -> Sequence[AcceptedCase]:
        return network.cases(PredictRequest("auto", names=request.names), path)

    detectors: list[TextToBox] = [*plugged(), LearnedBoxes(search, cases, {})]
    spoken = Dialogue(predictor, volume, detectors, request.options, job).say(commands, scene)
    if spoken.wishes:
        raise PromptError(f"there is nothing to {spoken.wishes[0]} before the first command", "text")
    told = [f"{one.said}: {one.read}, {one.voxels} voxels, slice {one.slice}" for one in spoken.told]
    return spoken, [*told, f"{time.perf_counter() - started:.1f} s"]


def image_of(name: Path, studies: Path | None) -> Path:
    """An image's file: as it is named, or a case of a studies folder."""
    if name.exists():
        return name
    if studies is not None and studies.is_dir():
        found = described_cases(studies).get(str(name))
        beside = [file for file in sorted(studies.iterdir()) if file.is_file() and file.name.split(".")[0] == str(name)]
        if found is not None or beside:
            return found.image if found is not None else beside[0]
        raise NotFoundError(f"{studies} has no case {str(name)!r}", "image")
    raise NotFoundError(f"there is no file {name}; of a case, name its folder with --studies", "image")
