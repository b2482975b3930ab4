"""SAM 2's memory, one slice at a time: the numbers of its video predictor, without its state.

The package's predictor holds the whole series and everything that it ever remembered, and so grows with the volume;
here the memory is a value that the caller passes on, as small as what the network looks back at.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F

from sam_infer.networks.sam2.modules import SAM2Base
from sam_infer.networks.slice_memory import Remembered, SliceMemory

# A mask that is corrected is believed no more than this, as the package does.
SUREST = 32.0

Points = tuple[torch.Tensor, torch.Tensor]


@dataclass(frozen=True, eq=False)
class Levels:
    """An encoded slice at strides 4, 8 and 16, (1, C, h, w) each."""

    fine: torch.Tensor
    middle: torch.Tensor
    embedding: torch.Tensor


class MemoryNetwork:
    """A SAM 2 that looks at one slice and at what it is told to remember."""

    def __init__(self, network: SAM2Base) -> None:
        self._network = network
        side = network.image_size // network.backbone_stride
        empty = torch.zeros(1, network.mem_dim, side, side, device=network.device)
        # the same for every slice, so every memory holds the same tensor
        self._places = network.memory_encoder.position_encoding(empty)
        self.most_remembered: int = max(network.num_maskmem, network.max_obj_ptrs_in_encoder) - 1

    def prompted(self, levels: Levels, points: Points) -> Remembered:
        """The object that points mean, seen without any memory."""
        return self._step(levels, 0, SliceMemory(1), points=points, first=True)

    def given(self, levels: Levels, mask: torch.Tensor) -> Remembered:
        """The object where a mask (1, 1, S, S) says that it is."""
        return self._step(levels, 0, SliceMemory(1), given=mask.float(), first=True)

    def recalled(
        self, levels: Levels, index: int, memory: SliceMemory, points: Points | None, before: torch.Tensor | None
    ) -> Remembered:
        """The remembered object on slice `index`, corrected by points about the mask `before` (1, 1, l, l)."""
        mask = before.clamp(-SUREST, SUREST) if before is not None and points is not None else None
        return self._step(levels, index, memory, points=points, before=mask)

    def _step(  # noqa: PLR0913 - the ways in which a slice can be looked at
        self,
        levels: Levels,
        index: int,
        memory: SliceMemory,
        *,
        points: Points | None = None,
        given: torch.Tensor | None = None,
        before: torch.Tensor | None = None,
        first: bool = False,
    ) -> Remembered:
        network, seen = self._network, [levels.fine, levels.middle, levels.embedding]
        sizes = [(level.shape[-2], level.shape[-1]) for level in seen]
        place = network.image_encoder.neck.position_encoding(levels.embedding)
        feats = [_tokens(level) for level in seen]
        _, answered, _, _ = network._track_step(
            frame_idx=index,
            is_init_cond_frame=first,
            current_vision_feats=feats,
            current_vision_pos_embeds=[_tokens(place)],
            feat_sizes=sizes,
            point_inputs=None if points is None else {"point_coords": points[0], "point_labels": points[1]},
            mask_inputs=given,
            output_dict=_states(memory),
            num_frames=memory.slices,
            track_in_reverse=memory.reverse,
            prev_sam_mask_logits=before,
        )
        _, _, scores, low_res, high_res, pointer, present = answered
        if points is not None or given is not None:  # in two steps, which differ from one in the last digit
            side = (network.image_size, network.image_size)
            high_res = F.interpolate(low_res, side, mode="bilinear", align_corners=False)
        remembered, _ = network._encode_new_memory(
            current_vision_feats=feats,
            feat_sizes=sizes,
            pred_masks_high_res=high_res,
            object_score_logits=present,
            is_mask_from_pts=points is not None or given is not None,
        )
        state = {
            "maskmem_features": remembered.to(torch.bfloat16),  # as the package keeps them
            "maskmem_pos_enc": [self._places],
            "obj_ptr": pointer,
        }
        score = float(scores.max()) if float(present.max()) > 0 else 0.0
        return Remembered(low_res[0, 0].float().cpu().numpy(), score, state)


def _tokens(level: torch.Tensor) -> torch.Tensor:
    """(1, C, h, w) to (h * w, 1, C)."""
    return level.flatten(2).permute(2, 0, 1)


def _states(memory: SliceMemory) -> dict[str, dict[int, Any]]:
    """A memory as the package's own code reads it."""
    return {
        "cond_frame_outputs": {k: one.state for k, one in memory.prompted.items()},
        "non_cond_frame_outputs": {k: one.state for k, one in memory.followed.items()},
    }
