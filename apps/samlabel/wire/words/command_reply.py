"""The JSON part about commands in words: how each was read, what it did, and the hints as they are now.

`actions` are undo, redo or accept: the server keeps no history, so whoever keeps it does them.
"""

from __future__ import annotations

from typing import Any

from sam_infer.imaging.volume import Volume
from sam_infer.prompts.object_prompts import Box
from sam_infer.spoken.dialogue import Spoken
from samlabel.wire.reply import place


def describe(spoken: Spoken, volume: Volume) -> dict[str, Any]:
    """Everything worth knowing about what was done."""
    scene, located = spoken.scene, spoken.located
    prompts = scene.prompts
    return {
        "label_names": {scene.label: 1},
        "label": scene.label,
        "commands": [
            {
                "said": one.said,
                "read": one.read,
                "mended": [list(pair) for pair in one.mended],
                "voxels": one.voxels,
                "slice": one.slice,
            }
            for one in spoken.told
        ],
        "actions": list(spoken.wishes),
        "prompts": {
            "foreground": prompts.points[prompts.labels == 1].tolist(),
            "background": prompts.points[prompts.labels == 0].tolist(),
            "roi": roi(prompts.box),
        },
        "candidate": scene.candidate,
        **({} if spoken.score is None else {"score": round(spoken.score, 4)}),
        **({} if located is None else {"located": {"roi": roi(located.around), "score": round(located.score, 4)}}),
        "voxels": int(scene.mask.array.sum()),
        **place(volume.geometry, prompts.axis, scene.index),
        "warnings": [
            *(f"'{typed}' was read as '{read}'" for one in spoken.told for typed, read in one.mended),
            *spoken.notes,
            *([volume.note] if volume.note else []),
        ],
    }


def roi(box: Box | None) -> list[int] | None:
    """A box as clients write it."""
    return None if box is None else [int(v) for pair in zip(box.low, box.high, strict=True) for v in pair]
