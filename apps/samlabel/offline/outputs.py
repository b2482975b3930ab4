"""Where a command may write: an output that exists is replaced only with --force, an input never.

Asked before anything is computed, and again where it is written.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterable
from pathlib import Path

from sam_infer.imaging.cine import CineMask
from sam_infer.imaging.volume import Mask
from samlabel.errors import ConfigError
from samlabel.store.answers import answers_in, note_answer


def require_output(path: Path, inputs: Iterable[Path], force: bool = False) -> None:
    """Refuse a file that must not be replaced, or whose folder cannot be written."""
    if path.is_dir():
        raise ConfigError(f"--out {path} is a folder: name a file in it", "out")
    if path.exists():
        if any(path.samefile(one) for one in inputs if one.exists()):
            raise ConfigError(f"--out {path} is an input of this command, which is never replaced", "out")
        if not force:
            raise ConfigError(f"{path} exists: choose another --out, or use --force to replace it", "out")
    require_writable(path.parent)


def require_output_folder(folder: Path, images: Iterable[Path]) -> None:
    """Refuse a folder that is no folder, cannot be written, or holds the images themselves."""
    if folder.exists() and not folder.is_dir():
        raise ConfigError(f"--out {folder} is a file: masks of a folder go to a folder", "out")
    if any(image.parent.resolve() == folder.resolve() for image in images):
        raise ConfigError(
            f"--out {folder} is where the images are, and masks bear their names: choose another folder", "out"
        )
    require_writable(folder)


def require_writable(folder: Path) -> None:
    """Refuse a folder that can neither be written nor made."""
    place = next(above for above in (folder, *folder.absolute().parents) if above.exists())
    try:
        with tempfile.TemporaryFile(dir=place):
            return
    except OSError as error:
        raise ConfigError(
            f"nothing can be written in {place} ({error.strerror}): choose another --out", "out"
        ) from None


def result_file(path: Path | None) -> Path | None:
    """A callback for `--out` of commands that measure: it may replace results of an earlier run, and nothing else."""
    if path is None:
        return None
    if path.is_dir():
        raise ConfigError(f"--out {path} is a folder: name a file in it", "out")
    if path.exists():
        try:
            ours = "rows" in json.loads(path.read_text())
        except (OSError, ValueError, TypeError):
            ours = False
        if not ours:
            raise ConfigError(f"--out {path} exists and holds no results of a command: choose another file", "out")
    require_writable(path.parent)
    return path


def write_answer(mask: Mask | CineMask, path: Path) -> Path:
    """Write a mask, of an object in time with all phases.

    Beside images it is noted as an answer, so that no server offers it as a case.
    """
    from sam_infer.imaging.image_file import write_cine_mask, write_mask  # ITK, which the checks need not wait for

    note_beside_images(path)
    return write_mask(mask, path) if isinstance(mask, Mask) else write_cine_mask(mask, path)


def note_beside_images(path: Path) -> None:
    """Note a file that is about to be written as an answer, if images lie beside it."""
    from sam_infer.imaging.image_file import suffix_of

    known = {path.name, *answers_in(path.parent)}
    others = path.parent.iterdir() if path.parent.is_dir() else ()
    if any(suffix_of(other) and other.name not in known for other in others):
        note_answer(path)
