"""Export as nnU-Net raw folder, version 2; call it DatasetNNN_NAME and lay it into `nnUNet_raw`.

dataset.json         channels, labels, number of training cases
imagesTr, labelsTr   cases that teach or validate: NAME_0000.nii.gz and NAME.nii.gz
imagesTs, labelsTs   held-out cases, for judging
splits_final.json    our split as its only fold: copy it to nnUNet_preprocessed/DatasetNNN_NAME
"""

from __future__ import annotations

import json
from pathlib import Path

from sam_infer.imaging.image_file import write_image, write_mask
from sam_infer.imaging.volume import Mask, Volume
from sam_trainer.errors import TrainingError
from sam_trainer.labels.export.write import Exported, Taken
from sam_trainer.labels.round import HELD_OUT, TRAIN, VALIDATION

COLOURS = ("R", "G", "B")


class NnUnetRaw:
    """One file format and one number of channels for all cases: nnU-Net knows no mixture."""

    def __init__(self) -> None:
        self._kind: tuple[bool, bool] | None = None

    def place(self, folder: Path, taken: Taken, volume: Volume, mask: Mask) -> None:
        """Write one case."""
        kind = (taken.flat, volume.is_colour)
        if self._kind is not None and self._kind != kind:
            raise TrainingError(
                f"{taken.case} is {_called(kind)}, others are {_called(self._kind)}: nnU-Net takes one kind, "
                "so export them from studies folders of their own",
                "studies",
            )
        self._kind = kind
        where = "Ts" if taken.part == HELD_OUT else "Tr"
        write_image(volume, folder / f"images{where}" / f"{taken.name}_0000{self._ending}")
        write_mask(mask, folder / f"labels{where}" / f"{taken.name}{self._ending}")

    def describe(self, folder: Path, exported: Exported) -> None:
        """Write what nnU-Net reads first, and the split if somebody validates."""
        teaching = exported.of(TRAIN, VALIDATION)
        if not teaching:
            raise TrainingError("all cases are held out: nnU-Net has nothing to train on; label more cases", "studies")
        modalities = {taken.modality for taken in exported.cases}
        one = modalities.pop() if len(modalities) == 1 else "mixed"
        colour = self._kind is not None and self._kind[1]
        described = {
            # nnU-Net clips Hounsfield units if, and only if, the channel is called CT
            "channel_names": {str(n): name for n, name in enumerate(COLOURS if colour else (one,))},
            "labels": {"background": 0, **exported.labels},
            "numTraining": len(teaching),
            "file_ending": self._ending,
        }
        (folder / "dataset.json").write_text(json.dumps(described, indent=1) + "\n")
        if exported.of(VALIDATION) and exported.of(TRAIN):
            fold = {"train": sorted(exported.of(TRAIN)), "val": sorted(exported.of(VALIDATION))}
            (folder / "splits_final.json").write_text(json.dumps([fold], indent=1) + "\n")

    @property
    def _ending(self) -> str:
        return ".png" if self._kind is not None and self._kind[0] else ".nii.gz"


def _called(kind: tuple[bool, bool]) -> str:
    flat, colour = kind
    return f"{'a colour' if colour else 'a grey'} {'picture' if flat else 'volume'}"
