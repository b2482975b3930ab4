"""Arguments of `samlabel predict`, checked before torch is loaded: what is read, what is written, what is meant."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from sam_infer.adapters.ids import added_ids, found_id
from sam_infer.errors import PromptError
from sam_infer.imaging.cine import Cine
from sam_infer.imaging.image_file import FLAT_SUFFIXES, read_cine, require_mask_format, suffix_of
from sam_infer.imaging.volume import Volume
from sam_infer.imaging.window import WINDOWS
from sam_infer.prompts.slice_index import choose_slice
from sam_infer.weights.available import require_added
from sam_infer.weights.catalogue import SAM2
from samlabel.errors import ConfigError
from samlabel.offline.hints import parsed, prompts_by_name, require_readable
from samlabel.offline.outputs import require_output, require_output_folder
from samlabel.offline.predict_folder import images_in
from samlabel.offline.preview import SHEET, preview_path
from samlabel.store.answers import FOLDER_RECORD

# What `--adapter` may say instead of an id.
PROMOTED, NO_ADAPTER = "promoted", "none"

# What `--along` says of an object that is not followed through time; the rest of its words come with torch.
SPACE = "space"


@dataclass(frozen=True, eq=False)
class Plan:
    """What is to be answered, and where the answers go."""

    images: Mapping[str, Path]  # of a folder; empty for one image
    said: dict[str, dict[str, Any]] | None  # hints by image, if there is a file of them
    cine: Cine | None  # the only image, with its phases
    target: Path  # of its mask, or the folder of masks
    preview: Path | None


@dataclass(frozen=True)
class Arguments:
    """What was typed, as far as it can be wrong."""

    image: Path
    points: tuple[str, ...]
    box: str | None
    prompts: Path | None
    out: Path | None
    plane: str | None
    mode: str
    accepted: Path | None
    window: str
    model: str
    adapter: str
    force: bool
    preview: bool
    engine: str = "auto"
    seed_from: str | None = None
    labels: tuple[str, ...] = ()
    phase: int | None = None
    along: str = SPACE

    def plan(self) -> Plan:
        """What follows, or the first thing that is wrong, as a sentence."""
        self._require_words()
        images = images_in(self.image) if self.image.is_dir() else {}
        said = prompts_by_name(self.prompts, images)
        if self.prompts is not None and not images:
            raise PromptError("--prompts is for a folder of images; use --point and --box", "prompts")
        cine = None if images else self._looked_at()
        volume = None if cine is None else cine.at(self.phase)
        target = self._folder(images) if volume is None else self._file(volume)
        return Plan(images, said, cine, target, self._shown(target, volume) if self.preview else None)

    def _require_words(self) -> None:
        """Refuse what means nothing whatever the image is."""
        said = bool(self.points) or self.box is not None or self.prompts is not None
        self._require_meaning(said)
        if self.window not in WINDOWS:
            raise PromptError(f"window must be one of {', '.join(WINDOWS)}, got {self.window!r}", "window")
        if self.engine == "sam2":
            self._require_memory()
        require_readable(self.points, self.box)
        if self.accepted is not None and not self.accepted.is_dir():
            raise ConfigError(f"--accepted {self.accepted}: there is no such folder", "accepted")
        require_added(self.model)
        if self.out is not None and not self.image.is_dir():  # asked again of the image itself: to read one loads torch
            require_output(self.out, [self.image], self.force)
            require_mask_format(self.out, 1)
        if self.adapter not in (PROMOTED, NO_ADAPTER):
            found_id(self.model, added_ids(self.model), self.adapter)

    def _require_meaning(self, said: bool) -> None:
        """Refuse prompts where none are taken, and nothing where something must say what is meant."""
        if self.along != SPACE and (self.mode == "auto" or self.seed_from is not None):
            raise PromptError(
                f"--along {self.along} follows what a point or a box means: no --mode auto, no --seed-from", "along"
            )
        if self.mode == "auto" and said:
            raise PromptError("--mode auto takes no points and no box: use --mode 2d or 3d", "mode")
        if self.seed_from is not None:
            self._require_seed(said)
        elif self.mode != "auto" and not said:
            raise PromptError("nothing says where the object is: use --point or --box, or --mode auto", "point")

    def _require_seed(self, said: bool) -> None:
        """Refuse a seed beside a prompt, in another mode, or without a label's name."""
        if self.mode != "3d" or said:
            raise PromptError(
                "--seed-from finds an object in 3D without a prompt: --mode 3d, no --point or --box", "mode"
            )
        if len(self.labels) != 1:
            raise PromptError("--seed-from finds one label: name it with --labels NAME", "labels")

    def _require_memory(self) -> None:
        """Refuse the engine of SAM 2 without one of its models, or without its package."""
        if find_spec("sam2") is None:
            raise ConfigError("--engine sam2 needs the package sam2: install it with `pip install sam2`", "engine")
        if not self.model.startswith(SAM2):
            raise ConfigError(
                f"--engine sam2 follows with the memory of a {SAM2} model, and {self.model} is none", "engine"
            )

    def _looked_at(self) -> Cine:
        """The only image, with the hints looked at on it."""
        cine = read_cine(self.image)
        volume = cine.at(self.phase)
        if self.along != SPACE and volume.phase is None:
            raise PromptError(f"--along {self.along}: the image has no phases in time", "along")
        if self.mode != "auto" and self.seed_from is None:
            prompts, marks = parsed(volume, self.points, self.box, self.plane)
            if self.mode == "2d" and self.along == SPACE:
                choose_slice(volume.geometry, prompts.axis, None, marks)
        return cine

    def _folder(self, images: Mapping[str, Path]) -> Path:
        """Where masks of a folder go."""
        folder = self.out or Path(f"{self.image.resolve().name}_masks")
        require_output_folder(folder, images.values())
        return folder

    def _file(self, volume: Volume) -> Path:
        """Where the only mask goes."""
        target = self.out or default_out(self.image, volume)
        require_output(target, [self.image], self.force)
        require_mask_format(target, volume.geometry.shape[2])
        if self.along != SPACE and suffix_of(target) in FLAT_SUFFIXES:
            raise PromptError(f"{target.name}: phases do not fit into a picture; use .nii.gz", "out")
        return target

    def _shown(self, target: Path, volume: Volume | None) -> Path:
        """Where the picture goes; that of a folder is made anew with its record."""
        shown = target / SHEET if volume is None else preview_path(target, suffix_of(target))
        ours = volume is None and (target / FOLDER_RECORD).is_file()
        require_output(shown, [self.image], self.force or ours)
        return shown


def default_out(image: Path, volume: Volume) -> Path:
    """The mask's file in the working directory: the image's name, a format that can hold it."""
    name = image.resolve().name
    stem = name[: len(name) - len(suffix_of(image))] if image.is_file() else name
    flat = (volume.is_colour or volume.geometry.shape[2] == 1) and volume.phase is None
    return Path(f"{stem}_mask{'.png' if flat else '.nii.gz'}")
