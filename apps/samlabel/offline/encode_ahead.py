"""Cache warm-up: every slice of a store encoded ahead, so that the first click on it costs a decode only.

What is there already is skipped, so that an interrupted run goes on where it was. Readers of a server on the same
machine come first: it pauses while they click.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from sam_infer.errors import SamError
from sam_infer.imaging.window import choose_window
from sam_infer.serving.server_state import Serving
from sam_infer.slices.predictor import Predictor
from sam_trainer.labels.dataset_file import tags_of_image

STORED_AXIS = 2  # slices as they are stored: what viewers show first


@dataclass
class Precomputed:
    """What a run did."""

    images: int = 0
    encoded: int = 0
    known: int = 0
    failed: dict[str, str] = field(default_factory=dict)  # image to reason
    interrupted: bool = False

    @property
    def sentence(self) -> str:
        """For whoever called it."""
        done = f"{self.images} images: {self.encoded} slices encoded, {self.known} were known"
        failed = f", {len(self.failed)} images failed" if self.failed else ""
        return f"{done}{failed}{'; stopped, call it again to go on' if self.interrupted else ''}"


@dataclass(frozen=True)
class Precompute:
    """One pass over a store: `pause` before every slice, `told` after it (image, slices done, slices of it)."""

    serving: Serving
    path_of: Callable[[str], str]
    pause: Callable[[], None]
    should_stop: Callable[[], bool]
    told: Callable[[str, int, int], None]

    def run(self, images: Sequence[str]) -> Precomputed:
        """Image by image; one that cannot be read stops nothing."""
        found = Precomputed()
        for image in images:
            if self.should_stop():
                break
            try:
                self._image(image, found)
            except SamError as error:
                found.failed[image] = str(error)
        found.interrupted = self.should_stop()
        self.serving.predictor.cache.flush()  # what is said to be known is known to the next server, too
        return found

    def _image(self, image: str, found: Precomputed) -> None:
        path = Path(self.path_of(image))
        volume = self.serving.volume(path)
        predictor: Predictor = self.serving.predictor.about(partial(tags_of_image, path, volume))
        window, slices = choose_window(volume), volume.geometry.shape[STORED_AXIS]
        for k in range(slices):
            self.pause()
            if self.should_stop():
                return
            encoded = predictor.prepare(volume, STORED_AXIS, k, window)
            found.encoded += encoded
            found.known += not encoded
            self.told(image, k + 1, slices)
        found.images += 1
