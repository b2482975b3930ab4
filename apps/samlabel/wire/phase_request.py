"""Parses what a request says about time, and tells it back.

phase   which phase of an image in time the prompts are on, from 0; the first where nobody names one
along   `sam_3d`: space (in that phase alone), time (on the slices with prompts, through all phases), or both
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sam_infer.errors import PromptError
from sam_infer.imaging.cine import phase_number
from sam_infer.imaging.volume import Volume
from sam_infer.phases.in_time import ALONG, SPACE

OPTIONS: dict[str, Any] = {"phase": "", "along": list(ALONG)}


def decode_phase(given: Mapping[str, Any]) -> int | None:
    """The phase that a request names; whether the image has it is for the image to say."""
    return phase_number(given.get("phase"))


def decode_along(given: Mapping[str, Any]) -> str | None:
    """How an object is followed through time; None where it is not."""
    value = given.get("along") or SPACE
    if value not in ALONG:
        raise PromptError(f"along must be one of {', '.join(ALONG)}, got {str(value)[:40]!r}", "along")
    return None if value == SPACE else str(value)


def refuse_along(given: Mapping[str, Any], model: str) -> None:
    """Of whatever looks at one phase alone."""
    if decode_along(given) is not None:
        raise PromptError(f"{model} answers one phase at a time: leave along out, or ask sam_3d", "along")


def phase_facts(volume: Volume) -> dict[str, Any]:
    """Which phase an answer is about; nothing where the image has none."""
    phase = volume.phase
    return {} if phase is None else {"phase": phase.index, "phases": phase.count, "phase_s": phase.step_s}


def unnamed(request: Mapping[str, Any], facts: Mapping[str, Any]) -> str | None:
    """What a reader should know who named no phase of an image that has some."""
    if "phases" not in facts or decode_phase(request) is not None:
        return None
    return f"the image has {facts['phases']} phases in time, and this is about phase 0: name another with phase"
