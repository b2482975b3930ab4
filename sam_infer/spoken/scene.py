"""What a reader has in front of them when they say something: hints, slice, label, and the mask as it is now."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from sam_infer.arrays import BoolArray, UInt8Array
from sam_infer.errors import PromptError
from sam_infer.imaging.slice_view import SliceView
from sam_infer.imaging.volume import Mask, Volume
from sam_infer.prompts.box_edits import BoxEdit, box_of, box_on_slice
from sam_infer.prompts.object_prompts import Box, Prompts

FIELD = "text"


@dataclass(frozen=True, eq=False)
class Scene:
    """All of it; a command makes a new one, and the old one is what undo goes back to."""

    prompts: Prompts  # without a mask
    index: int
    label: str
    mask: Mask
    placed: bool = True  # whether it is known that the reader looks at this slice
    candidate: int | None = None  # of the network's masks, the one that is shown; None: its own choice

    def view(self, volume: Volume) -> SliceView:
        """The slice in front of the reader."""
        return volume.view(self.prompts.axis, self.index)

    @property
    def box(self) -> Box:
        """The box on the slice: of the hints, else of the mask; refused where there is neither."""
        if self.prompts.box is not None:
            return box_on_slice(self.prompts.box, self.prompts.axis, self.index)
        there = np.argwhere(self.mask.array)
        there = there[there[:, self.prompts.axis] == self.index]
        if not len(there):
            raise PromptError("there is no box yet: say segment and a label, or box set x0 y0 x1 y1", FIELD)
        return box_of(there)

    def edit(self, volume: Volume) -> BoxEdit:
        """The box, to be changed."""
        return BoxEdit(self.box, volume.geometry, self.view(volume))

    @property
    def drawn(self) -> BoolArray:
        """The mask (I, J, K), which must not be empty."""
        there = np.asarray(self.mask.array > 0)
        if not there.any():
            raise PromptError("there is no mask yet: say segment and a label, or draw one", FIELD)
        return there

    def with_mask(self, there: BoolArray) -> Scene:
        """The same with another mask (I, J, K)."""
        return replace(self, mask=Mask(np.asfortranarray(there, np.uint8), self.mask.geometry))

    def with_slice(self, pixels: BoolArray, volume: Volume) -> Scene:
        """The same with another mask (H, W) on the slice, the others as they were."""
        array: UInt8Array = np.array(self.mask.array > 0, np.uint8, order="F")
        self.view(volume).insert(array, pixels.astype(np.uint8))
        return replace(self, mask=Mask(array, self.mask.geometry))
