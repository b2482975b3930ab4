"""What was made with the weights of a model before: result files that name other weights than today's."""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class OldResult:
    """A result file, the weights that it tells of, and the command that makes it anew."""

    file: Path
    weights: str
    command: tuple[str, ...]


def old_results(folder: Path, weights: str) -> list[OldResult]:
    """The result files in a folder that name other weights than `weights`, by name."""
    found = []
    for file in sorted(folder.glob("*.json")):
        facts = json.loads(file.read_text())
        named = facts.get("weights") if isinstance(facts, dict) else None
        if named and named != weights:
            found.append(OldResult(file, str(named), tuple(shlex.split(str(facts.get("command", ""))))))
    return found
