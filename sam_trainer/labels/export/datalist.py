"""Export as MONAI datalist: `load_decathlon_datalist(OUT/datalist.json, data_list_key="training")` reads it."""

from __future__ import annotations

import json
from pathlib import Path

from sam_infer.imaging.image_file import write_image, write_mask
from sam_infer.imaging.volume import Mask, Volume
from sam_trainer.labels.export.write import Exported, Taken
from sam_trainer.labels.round import HELD_OUT, TRAIN, VALIDATION

LIST = "datalist.json"
KEYS = {"training": TRAIN, "validation": VALIDATION, "test": HELD_OUT}


class Datalist:
    """Images and labels beside a list that names them; paths are relative to it."""

    def place(self, folder: Path, taken: Taken, volume: Volume, mask: Mask) -> None:
        """Write one case."""
        write_image(volume, folder / "images" / _file(taken))
        write_mask(mask, folder / "labels" / _file(taken))

    def describe(self, folder: Path, exported: Exported) -> None:
        """Write the list; a part without cases has no key, for MONAI trips over an empty one."""
        lists = {
            key: [
                {"image": f"images/{_file(t)}", "label": f"labels/{_file(t)}"} for t in exported.cases if t.part == part
            ]
            for key, part in KEYS.items()
        }
        names = {"0": "background", **{str(value): name for name, value in exported.labels.items()}}
        described = {
            "name": "samlabel",
            "description": "labels that readers accepted",
            "tensorImageSize": "3D",
            "modality": {"0": ", ".join(sorted({taken.modality for taken in exported.cases}))},
            "labels": names,
            "numTraining": len(lists["training"]),
            "numTest": len(lists["test"]),
            **{key: entries for key, entries in lists.items() if entries},
        }
        (folder / LIST).write_text(json.dumps(described, indent=1) + "\n")


def _file(taken: Taken) -> str:
    return f"{taken.name}{'.png' if taken.flat else '.nii.gz'}"
