"""What the `dataset.json` of a studies folder says: names of label values, and the tags of its images.

A tag may stand beside a case, or at the top for all cases of the folder:

    {"domain": "north site", "cases": {"scan7": {"view": "sax", "labels": {"1": "left ventricle"}}}}
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from sam_infer.errors import VolumeError
from sam_infer.imaging.image_file import suffix_of
from sam_infer.imaging.volume import LONGEST_TAG, Tags, Volume, tag_word

FILE = "dataset.json"


def read_dataset(folder: Path) -> dict[str, Any]:
    """Everything that it says; nothing where there is no such file."""
    file = folder / FILE
    if not file.exists():
        return {}
    try:
        described = json.loads(file.read_text())
    except (OSError, ValueError) as error:
        raise VolumeError(f"{folder.name}/{FILE} cannot be read: {error}", "studies") from error
    if not isinstance(described, dict) or not isinstance(described.get("cases", {}), dict):
        raise VolumeError(f"{folder.name}/{FILE} must hold an object with `cases`", "studies")
    return described


def facts_of(folder: Path, name: str, described: Mapping[str, Any]) -> dict[str, Any]:
    """What is said of one image."""
    facts = described.get("cases", {}).get(name, {})
    if not isinstance(facts, dict):
        raise VolumeError(f"{folder.name}/{FILE}: what it says of {name} must be an object", "studies")
    return facts


def said_tags(folder: Path, name: str, described: Mapping[str, Any]) -> Tags:
    """The tags of one image; whatever is no short word is refused."""
    facts, words = facts_of(folder, name, described), []
    for facet in ("domain", "view"):
        said = facts.get(facet, described.get(facet, ""))
        word = tag_word(said)
        if word is None:
            raise VolumeError(
                f"{folder.name}/{FILE}: the {facet} of {name} must be a text of at most {LONGEST_TAG} letters, got "
                f"{str(said)[:40]!r}",
                "studies",
            )
        words.append(word)
    return Tags(*words)


def tags_of_image(path: Path, volume: Volume) -> Tags:
    """What is known of an image that lies in a studies folder, or anywhere else: its own file is asked last."""
    folder, name = path.parent, path.name[: len(path.name) - len(suffix_of(path))]
    try:
        stat = (folder / FILE).stat()
    except OSError:
        return volume.tags
    return said_tags(folder, name, _kept(folder, (stat.st_mtime_ns, stat.st_size))).over(volume.tags)


@lru_cache(maxsize=4)
def _kept(folder: Path, _: tuple[int, int]) -> dict[str, Any]:
    """The file as it was at a moment: it is asked about with every click."""
    return read_dataset(folder)
