"""How the engine `sam2` walks: a network that remembers looks at slice after slice.

Each direction has a memory of its own: the prompted slices that the run lies between, and the last few that it went
over. A run outside all prompts ends where the object does; between two prompts the network may lose it and find it
again. Slices are seen whole, all through one window, so that a correction finds every slice encoded.

Memories fade with distance in the patient, not in slices: where slices are thick, fewer of them are remembered.
"""

from __future__ import annotations

import hashlib
from collections.abc import Hashable, Iterator
from dataclasses import dataclass, field
from functools import cached_property, partial

import numpy as np

from sam_infer.arrays import BoolArray
from sam_infer.errors import PromptError
from sam_infer.imaging.slice_view import SliceView
from sam_infer.imaging.volume import Volume
from sam_infer.imaging.window import Window, choose_window
from sam_infer.job import Job
from sam_infer.networks.backbone import Features, Hints, downscale_mask
from sam_infer.networks.frame import Frame, whole
from sam_infer.networks.slice_memory import Remembered, RemembersSlices, SliceMemory
from sam_infer.prompts.object_prompts import Prompts
from sam_infer.prompts.volume_prompts import VolumePrompts
from sam_infer.propagation.end_rule import Ending, EndPolicy
from sam_infer.propagation.limit import inside
from sam_infer.propagation.options import VolumeOptions
from sam_infer.propagation.pace import seconds_per_slice
from sam_infer.propagation.slice_result import Part, SliceAnswer
from sam_infer.propagation.walk import Answers
from sam_infer.slices.look import hints_of, target_grey
from sam_infer.slices.predictor import Predictor

# How far a memory of a followed slice reaches, in mm along the slices.
REACH_MM = 45.0

# No logit counts more: a network that sees nothing says -1024, and the run from the other side must have a say.
SUREST = 20.0

# Followed back to where it came from, a mask of a memory says nothing about an end: this rule is not used.
NO_ROUND_TRIP = 1.0


@dataclass(frozen=True, eq=False)
class MemoryWalk:
    """One request under way."""

    predictor: Predictor
    volume: Volume
    said: VolumePrompts
    options: VolumeOptions
    job: Job
    _remembered: dict[int, Remembered] = field(default_factory=dict)  # of slices that the reader spoke about

    @cached_property
    def network(self) -> RemembersSlices:
        """The predictor's, which must have a memory."""
        network = self.predictor.backbone
        if not isinstance(network, RemembersSlices):
            raise PromptError(
                f"engine sam2 needs a network with a memory (sam2.1_hiera_tiny to _large); {network.name} has none: "
                "leave engine out, or choose another model",
                "engine",
            )
        return network

    def prompted(self, view: SliceView, said: Prompts) -> SliceAnswer:
        """Points and a box are told to the network; what only 2D understands is answered there, and told as a mask."""

        def look() -> Remembered:
            features, frame = self._seen(view)
            if self._is_plain(said):
                return self.network.prompted(features, hints_of(said, view, frame))
            found = self.predictor.predict(self.volume, said, view.index, self.options.slice)
            return self.network.given(features, _stretched(found.pixels, frame))

        return self._kept(view, self.job.slice(look))

    def corrected(self, arrived: SliceAnswer, said: Prompts, near: Answers) -> SliceAnswer:
        """The mask that arrived, the reader's points, and the memory of the prompted slices."""
        view = arrived.view

        def look() -> Remembered:
            features, frame = self._seen(view)
            hints = hints_of(said, view, frame)
            before = downscale_mask(frame.cut(arrived.logits), frame, self.predictor.backbone.low_res)
            memory = self._memory(tuple(near), reverse=min(near) > view.index)
            return self.network.recalled(
                features, view.index, memory, Hints(hints.points_xy, hints.labels, None, before)
            )

        return self._kept(view, self.job.slice(look))

    def run(
        self, start: SliceAnswer, stop: SliceAnswer | None, indices: range, policy: EndPolicy
    ) -> Iterator[SliceAnswer]:
        """From slice to slice with a memory of its own."""
        known = (start.view.index,) if stop is None else (start.view.index, stop.view.index)
        memory, ending = self._memory(known, reverse=indices.step < 0), Ending.at(self.volume, start, policy)
        before = start
        for index in indices:
            view = self.volume.view(self.said.axis, index)
            seen = self.job.slice(partial(self._recalled, view, memory))
            answer = self._answer(view, seen)
            if stop is None and ending.reached(before, answer, NO_ROUND_TRIP):
                return
            yield answer
            before, memory = answer, memory.with_followed(index, seen, self.network.most_remembered)

    def run_key(self, start: SliceAnswer, stop: SliceAnswer | None) -> Hashable:
        """What the network keeps of the prompted slices."""
        known = [start.view.index] if stop is None else [start.view.index, stop.view.index]
        return (self._window.key, start.patch.key, *((k, _digest(self._remembered[k])) for k in known))

    def seconds_per_slice(self) -> float | None:
        """Measured once per process: SAM 2 takes seconds for a slice on a processor."""
        pace: float = self.job.runner(lambda: seconds_per_slice(self.predictor.backbone, self.network))
        return pace

    @cached_property
    def _window(self) -> Window:
        """That of the lowest of the slices that were prompted first: no correction changes it."""
        index, said = min(self.said.start.items())
        view = self.volume.view(self.said.axis, index)
        return choose_window(self.volume, self.options.slice.window, target_grey(self.volume, said, view))

    def _seen(self, view: SliceView) -> tuple[Features, Frame]:
        """The whole slice, encoded or from the cache."""
        frame = self._frame(view)
        return self.predictor.features(self.volume, view, self._window, frame), frame

    def _frame(self, view: SliceView) -> Frame:
        return self.predictor.backbone.frame(whole(view.height, view.width), view.pixel_mm)

    def _recalled(self, view: SliceView, memory: SliceMemory) -> Remembered:
        return self.network.recalled(self._seen(view)[0], view.index, memory)

    def _memory(self, known: tuple[int, ...], reverse: bool) -> SliceMemory:
        geometry, axis = self.volume.geometry, self.said.axis
        reach = max(1, int(REACH_MM / geometry.spacing_mm[axis]))
        return SliceMemory(geometry.shape[axis], reverse, reach, {k: self._remembered[k] for k in known})

    def _kept(self, view: SliceView, seen: Remembered) -> SliceAnswer:
        self._remembered[view.index] = seen
        return self._answer(view, seen)

    def _answer(self, view: SliceView, seen: Remembered) -> SliceAnswer:
        logits = np.clip(seen.logits, -SUREST, SUREST)
        part = Part(self._frame(view), logits)
        return SliceAnswer.of_parts(view, (part,), seen.score, inside(self.said.limit, view))

    def _is_plain(self, said: Prompts) -> bool:
        """Whether points and a box are all there is."""
        options = self.options.slice
        asked = options.candidate is not None or options.fill_holes or options.keep_largest
        return said.mask is None and said.painted is None and not asked


def _stretched(pixels: BoolArray, frame: Frame) -> BoolArray:
    """A mask (H, W) of a slice as it lies in the model's input (S, S)."""
    side = frame.input_size
    resized = downscale_mask(frame.cut(pixels.astype(np.float32)), frame, side)
    return np.asarray(resized >= 0.5)


def _digest(seen: Remembered) -> bytes:
    state = hashlib.blake2b(seen.logits.tobytes(), digest_size=16)
    state.update(seen.state["obj_ptr"].detach().cpu().numpy().tobytes())
    return state.digest()
