"""Masks that `samlabel predict` wrote beside images: answers, not images, so no case is made of them.

A hidden file names them, one JSON line each; a folder that `samlabel predict FOLDER` filled has its own record.
"""

from __future__ import annotations

import json
from pathlib import Path

from sam_infer.files import append_line, read_lines

MASKS_FILE, FOLDER_RECORD = ".samlabel-masks", "predictions.json"


def answers_in(folder: Path) -> frozenset[str]:
    """Names of the files of a folder that are answers."""
    single = {str(line.get("file")) for line in read_lines(folder / MASKS_FILE)}
    try:
        cases = json.loads((folder / FOLDER_RECORD).read_text())["cases"].values()
        return frozenset(single | {str(case["file"]) for case in cases})
    except (OSError, ValueError, LookupError, TypeError, AttributeError):  # none, or not ours
        return frozenset(single)


def note_answer(path: Path) -> None:
    """Remember a file, before it is written, as an answer."""
    if path.name not in answers_in(path.parent):
        append_line(path.parent / MASKS_FILE, {"file": path.name})
