"""A reader played by code who only speaks: sees the mask beside the truth, and says what somebody would say.

The slice is seen as it is displayed. Of what could be said the reader says the likeliest first; what made it worse is
taken back with undo, which is a command like any other, and not said again on the same mask.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from scipy import ndimage

from sam_infer.arrays import BoolArray, Float64Array
from sam_infer.errors import PromptError
from sam_infer.prompts.language.grammar import understood
from sam_infer.spoken.dialogue import Dialogue
from sam_infer.spoken.scene import Scene
from sam_trainer.measures.overlap import dice

# Good enough, and how often the reader speaks before giving up.
ENOUGH, MOST = 0.9, 12

# Errors of fewer pixels are not spoken of; edges nearer than this are not either.
FEWEST_PIXELS, NEAREST_MM = 4, 1.0


@dataclass(frozen=True)
class Talk:
    """How far words alone went."""

    first: float  # Dice after the label was named
    best: float
    steps: int  # commands until it was good enough, the first included; one more than all where it never was
    said: tuple[str, ...]

    @property
    def reached(self) -> bool:
        """Whether it became good enough."""
        return self.best >= ENOUGH


@dataclass(eq=False)
class Speaker:
    """One object on the slices of a volume; `truth` (I, J, K) is what the reader sees with their own eyes."""

    dialogue: Dialogue
    labels: tuple[str, ...]
    truth: BoolArray
    tried: set[tuple[bytes, str]] = field(default_factory=set)

    def talk(self, scene: Scene, first: str) -> Talk:
        """From the label's name until the mask is good enough, or nobody knows what to say."""
        scene = self._after(first, scene)
        said, start = [first], self.dice(scene)
        best = start
        while best < ENOUGH and len(said) < MOST:
            wish = next((w for w in self.wishes(scene) if (scene.mask.array.tobytes(), w) not in self.tried), None)
            if wish is None:
                break
            self.tried.add((scene.mask.array.tobytes(), wish))
            said.append(wish)
            try:
                after = self._after(wish, scene)
            except PromptError:
                continue
            if self.dice(after) > self.dice(scene):
                scene, best = after, max(best, self.dice(after))
            else:
                said.append("undo")
        return Talk(start, best, len(said) if best >= ENOUGH else MOST + 1, tuple(said))

    def dice(self, scene: Scene) -> float:
        """On the slice."""
        shown, truth = self._pixels(scene)
        return dice(shown, truth)

    def wishes(self, scene: Scene) -> Iterator[str]:
        """What could be said, likeliest first."""
        shown, truth = self._pixels(scene)
        if not truth.any():
            yield from ("next slice", "previous slice")
            return
        yield from self._about_the_box(scene, truth)
        yield from self._about_regions(scene, shown, truth)
        missing, wrong = int((truth & ~shown).sum()), int((shown & ~truth).sum())
        mm = max(min(scene.view(self.dialogue.volume).pixel_mm), NEAREST_MM)
        yield f"{'expand' if missing > wrong else 'shrink'} {mm:.1f} mm"
        yield from ("keep largest", "fill holes", f"smooth {mm:.1f} mm", "next candidate", "previous candidate")

    def _about_the_box(self, scene: Scene, truth: BoolArray) -> Iterator[str]:
        try:
            box = scene.box
        except PromptError:
            return
        view = scene.view(self.dialogue.volume)
        corners = np.sort(view.to_display(np.stack([box.low, box.high])), axis=0)
        there = _corners(truth)
        beyond = np.stack([corners[0] - there[0], there[1] - corners[1]]) * np.asarray(view.pixel_mm)  # rows, columns
        shift, growth = (beyond[1] - beyond[0]) / 2, float(beyond.mean())
        wishes = []
        for place, (less, more) in enumerate((("top", "bottom"), ("image left", "image right"))):
            if abs(shift[place]) >= max(NEAREST_MM, view.pixel_mm[place] / 2):
                way = more if shift[place] > 0 else less
                wishes.append((abs(float(shift[place])), f"box {way} {abs(shift[place]):.1f} mm"))
        if abs(growth) >= max(NEAREST_MM, min(view.pixel_mm) / 2):
            wishes.append((abs(growth), f"box {'bigger' if growth > 0 else 'smaller'} {abs(growth):.1f} mm"))
        yield from (wish for _, wish in sorted(wishes, key=lambda one: -one[0]))

    def _about_regions(self, scene: Scene, shown: BoolArray, truth: BoolArray) -> Iterator[str]:
        """The cells of the box where most is missing or too much, where such a region says the right thing."""
        try:
            edit = scene.edit(self.dialogue.volume)
        except PromptError:
            return
        errors = []
        for number in range(1, 10):
            cell = edit.cell((number - 1) // 3, (number - 1) % 3)
            errors.append((int((cell & truth & ~shown).sum()), f"add region {number}"))
            errors.append((int((cell & shown & ~truth).sum()), f"remove region {number}"))
        yield from (said for pixels, said in sorted(errors, key=lambda one: -one[0])[:4] if pixels >= FEWEST_PIXELS)

    def _after(self, text: str, scene: Scene) -> Scene:
        return self.dialogue.say(understood(text, self.labels), scene).scene

    def _pixels(self, scene: Scene) -> tuple[BoolArray, BoolArray]:
        view = scene.view(self.dialogue.volume)
        return np.asarray(view.extract(scene.mask.array) > 0), np.asarray(view.extract(self.truth))


def _corners(pixels: BoolArray) -> Float64Array:
    """First and last row and column (2, 2) of a region (H, W)."""
    (rows, cols) = ndimage.find_objects(pixels.astype(np.uint8))[0]
    return np.array([[rows.start, cols.start], [rows.stop - 1, cols.stop - 1]], np.float64)
