"""Commands done, one after the other: each makes a new scene out of the one before it; nothing is kept in between.

What changed is told for each, and where nothing did, that. Undo goes back within what is said at
once; beyond that it is a wish, for whoever keeps the history: the viewer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from sam_infer.arrays import BoolArray
from sam_infer.errors import PromptError
from sam_infer.imaging.volume import Volume
from sam_infer.job import Job
from sam_infer.masks.cleanup2d import fill_holes, largest_component
from sam_infer.masks.reshape import grown, on_parts, smoothed, swept
from sam_infer.prompts.box_edits import deepest, set_in_plane
from sam_infer.prompts.language import command as said
from sam_infer.prompts.language.grammar import Understood
from sam_infer.prompts.object_prompts import BACKGROUND, FOREGROUND, Prompts
from sam_infer.propagation.engine import segment_object
from sam_infer.propagation.options import VolumeOptions
from sam_infer.slices.predictor import CLIENT_CANDIDATES, Options, Prediction, Predictor
from sam_infer.spoken.scene import FIELD, Scene
from sam_infer.spoken.text_to_box import Located, Query, TextToBox


@dataclass(frozen=True)
class Done:
    """What was said, how it was read, and what came of it."""

    said: str
    read: str
    mended: tuple[tuple[str, str], ...]
    voxels: int
    slice: int


@dataclass(frozen=True, eq=False)
class Spoken:
    """The scene after all commands, what each did, and wishes to whoever keeps the history."""

    scene: Scene
    told: tuple[Done, ...]
    wishes: tuple[str, ...] = ()
    score: float | None = None  # of the last answer of the network
    located: Located | None = None
    notes: tuple[str, ...] = ()


@dataclass(eq=False)
class Dialogue:
    """One request: a network, a volume, and who finds labels."""

    predictor: Predictor
    volume: Volume
    detectors: Sequence[TextToBox]
    options: Options = field(default_factory=Options)
    job: Job = field(default_factory=Job)
    seen: Prediction | None = None
    located: Located | None = None
    notes: list[str] = field(default_factory=list)

    def say(self, commands: Sequence[Understood], scene: Scene) -> Spoken:
        """All commands, in order."""
        past, undone, told, wishes = list[Scene](), list[Scene](), list[Done](), list[str]()
        for one in commands:
            if wishes and (wishes[-1] == said.ACCEPT.what or not isinstance(one.command, said.Wish)):
                raise PromptError(f"{wishes[-1]} reaches beyond what is said here: say it alone, or last", FIELD)
            match one.command:
                case said.UNDO if past:
                    undone.append(scene)
                    scene = past.pop()
                case said.REDO if undone:
                    past.append(scene)
                    scene = undone.pop()
                case said.Wish(what):
                    wishes.append(what)
                case said.Segment(label) if past and label != scene.label:
                    raise PromptError(
                        f"segment {label} begins anew and {scene.label} would be lost: say it alone", FIELD
                    )
                case _:
                    past.append(scene)
                    undone.clear()
                    scene = self._done(one.command, scene)
            told.append(Done(one.said, str(one.command), one.mended, int(scene.mask.array.sum()), scene.index))
        score = self.seen.score if self.seen is not None else None
        return Spoken(scene, tuple(told), tuple(wishes), score, self.located, tuple(self.notes))

    def _done(self, command: said.Command, scene: Scene) -> Scene:
        """The scene after one command."""
        match command:
            case said.Segment():
                return self._segment(command.label, scene)
            case said.ResizeBox() | said.MoveBox() | said.SetBox():
                return self._boxed(command, scene)
            case said.MarkRegion() | said.PointAt():
                return self._pointed(command, scene)
            case said.Candidate():
                return self._other(command.step, scene)
            case said.Step():
                return self._beside(command.step, scene)
            case said.Propagate():
                return self._followed(command, scene)
            case _:
                return self._mended(command, scene)

    def _segment(self, label: str, scene: Scene) -> Scene:
        query = Query(label, self.volume, scene.prompts.axis, scene.index if scene.placed else None)
        located = next((found for one in self.detectors if (found := one.locate(query)) is not None), None)
        if located is None:
            raise PromptError(
                f"nobody knows where {label} is: accept a case that shows it first, or say box set x0 y0 x1 y1", FIELD
            )
        self.located = located
        self.notes.append(f"{label}: {located.why}")
        prompts = Prompts(scene.prompts.axis, box=located.on_slice)
        fresh = Scene(prompts, located.index, label, scene.mask.empty(self.volume.geometry))
        return self._asked(fresh)

    def _boxed(self, command: said.ResizeBox | said.MoveBox | said.SetBox, scene: Scene) -> Scene:
        match command:
            case said.ResizeBox(bigger, amount):
                mm = amount.value if amount.unit == said.MM else None
                box = scene.edit(self.volume).resized(mm, amount.value / 100, bigger)
            case said.MoveBox(towards, mm):
                box = scene.edit(self.volume).moved(towards, mm)
            case said.SetBox(corners):
                box = set_in_plane(corners, self.volume.geometry, scene.view(self.volume))
        index = int(box.low[scene.prompts.axis])
        changed = replace(scene, prompts=replace(scene.prompts, box=box), index=index)
        return self._asked(changed)

    def _pointed(self, command: said.MarkRegion | said.PointAt, scene: Scene) -> Scene:
        voxel = np.array(command.voxel if isinstance(command, said.PointAt) else self._place(command, scene))
        if not self.volume.geometry.contains(voxel):
            raise PromptError(f"point {voxel.tolist()} is outside the image of {self.volume.geometry.shape}", FIELD)
        there = (scene.prompts.points == voxel).all(axis=1)
        kept = scene.prompts.kept(~there)
        label = FOREGROUND if command.add else BACKGROUND
        prompts = kept.followed_by(voxel[None], np.array([label]))
        return self._asked(replace(scene, prompts=prompts, index=int(voxel[prompts.axis])))

    def _place(self, command: said.MarkRegion, scene: Scene) -> list[int]:
        """The voxel that says it best: the deepest one of the region that the mask lacks, or has too much."""
        edit, cell = scene.edit(self.volume), command.cell
        if cell.oclock is not None:
            part = edit.at_the_clock(cell.oclock)
        elif cell.number is not None:
            part = edit.cell((cell.number - 1) // 3, (cell.number - 1) % 3)
        else:
            part = edit.cell(*edit.towards(cell.towards))
        view = scene.view(self.volume)
        shown = view.extract(scene.mask.array) > 0
        pixel = deepest(part & ~shown if command.add else part & shown)
        if pixel is None:
            raise PromptError(f"region {cell} {'is in the mask' if command.add else 'has none of the mask'}", FIELD)
        return [int(v) for v in np.rint(view.to_stored(pixel[None])[0])]

    def _other(self, step: int, scene: Scene) -> Scene:
        shown = scene.candidate
        if shown is None:
            shown = min(self._predicted(scene).chosen, CLIENT_CANDIDATES - 1)
        return self._asked(replace(scene, candidate=(shown + step) % CLIENT_CANDIDATES), keep=True)

    def _beside(self, step: int, scene: Scene) -> Scene:
        index = scene.index + step
        if not 0 <= index < self.volume.geometry.shape[scene.prompts.axis]:
            raise PromptError(f"slice {scene.index} is the last one that way", FIELD)
        return replace(scene, index=index, placed=True)

    def _followed(self, command: said.Propagate, scene: Scene) -> Scene:
        axis, way = scene.prompts.axis, command.towards
        if way is not None and way.stored(self.volume.geometry, scene.view(self.volume))[0] != axis:
            raise PromptError(f"{way} lies in the slices: the object is followed across them, or both ways", FIELD)
        view = scene.view(self.volume)
        start = np.zeros(scene.mask.array.shape, bool)
        view.insert(start, view.extract(scene.drawn))
        if not start.any():
            raise PromptError(f"there is no mask on slice {scene.index} to follow", FIELD)
        prompts = Prompts(axis, mask=scene.with_mask(start).mask)
        found = segment_object(self.predictor, self.volume, prompts, VolumeOptions(self.options), self.job)
        self.notes += found.notes
        there = np.array(found.mask.array > 0)
        if way is not None:
            sign = way.stored(self.volume.geometry, view)[1]
            slices = np.arange(there.shape[axis])
            outside = (slices - scene.index) * sign < 0
            before, now = np.moveaxis(scene.drawn, axis, 0), np.moveaxis(there, axis, 0)
            now[outside] = before[outside]
        return scene.with_mask(there)

    def _mended(self, command: said.Command, scene: Scene) -> Scene:
        """Without the network: the mask itself."""
        there, spacing = scene.drawn, self.volume.geometry.spacing_mm
        found: BoolArray
        match command:
            case said.Grow(bigger, mm, None):
                found = grown(there, spacing, mm if bigger else -mm)
            case said.Grow(bigger, mm, side) if side is not None:
                found = swept(there, side.way(self.volume.geometry, scene.view(self.volume)), mm, bigger)
            case said.KeepLargest():
                found = on_parts(there, largest_component)
            case said.FillHoles():
                found = on_parts(there, fill_holes)
            case said.Smooth(mm):
                found = smoothed(there, spacing, mm)
            case _:
                raise PromptError(f"{command} cannot be done here", FIELD)
        if not found.any():
            raise PromptError(f"{command} would leave nothing of the mask", FIELD)
        if (found == there).all():
            self.notes.append(f"{command}: nothing changed, the mask is so already")
        return scene.with_mask(found)

    def _asked(self, scene: Scene, keep: bool = False) -> Scene:
        """The network's answer to the hints, on the slice; unless `keep`, by its own choice of masks."""
        scene = scene if keep else replace(scene, candidate=None)
        return scene.with_slice(self._predicted(scene).pixels, self.volume)

    def _predicted(self, scene: Scene) -> Prediction:
        options = replace(self.options, candidate=scene.candidate, label=scene.label)
        self.seen = self.job.slice(lambda: self.predictor.predict(self.volume, scene.prompts, scene.index, options))
        return self.seen
