"""Ids of the adapters that are stored, looked up by their beginnings; no adapter is read, and torch is not loaded."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from sam_infer.errors import UnknownAdapterError
from sam_infer.home import default_home

ADAPTER_FILE = "adapter.safetensors"


def added_ids(model: str, home: Path | None = None) -> list[str]:
    """The ids of a model's adapters."""
    files = ((home or default_home()) / "adapters" / model).glob(f"*/{ADAPTER_FILE}")
    return sorted(path.parent.name for path in files if not path.parent.name.startswith("."))


def found_id(model: str, ids: Sequence[str], beginning: str) -> str:
    """The id that begins like this; refused when there is none or more than one."""
    found = [one for one in ids if beginning and one.startswith(beginning)]
    if len(found) != 1:
        what = "several adapters begin" if found else "there is no adapter that begins"
        raise UnknownAdapterError(
            f"{what} with {beginning!r} for {model}; `samlabel adapters list --model {model}` shows all", "adapter"
        )
    return found[0]
