"""Label names: the vocabulary a reader may give to what is segmented, and its values."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import structlog

from sam_infer.errors import PromptError
from sam_infer.imaging.volume import Mask
from samlabel.config import AppConfig

log = structlog.get_logger(__name__)

# Viewers need at least one name to choose.
DEFAULT = ("object",)

# The clients' label maps hold one byte.
MAX_LABELS = 255

# 3D Slicer and OHIF list it beside the labels; it never names an object.
BACKGROUND = "background"


@dataclass(frozen=True)
class LabelNames:
    """Names in the order of their values 1..n; `strict` when somebody chose them on purpose."""

    names: tuple[str, ...] = DEFAULT
    strict: bool = False

    @property
    def values(self) -> dict[str, int]:
        """Name to value, without gaps."""
        return {name: value for value, name in enumerate(self.names, 1)}

    def renumbered(self, mask: Mask, named: Mapping[int, str]) -> Mask:
        """A label map with our values: by name where names are known, else the n-th is the n-th.

        A label whose name we do not have becomes background: it is somebody else's question.
        """
        table = np.zeros(MAX_LABELS + 1, np.uint8)
        if named and self.strict:
            for value, name in named.items():
                table[value] = self.values.get(name, 0)
        else:
            table[1 : len(self.names) + 1] = np.arange(1, len(self.names) + 1)
        return Mask(np.asfortranarray(table[mask.array]), mask.geometry)

    def assumed(self, name: object) -> str | None:
        """What to say where a client names no label and there are several to choose from."""
        if name not in (None, "") or len(self.names) < 2:
            return None
        known = ", ".join(self.names[:12])
        return f"no label was named, so the mask is called {self.names[0]}: send label, one of {known}"

    def checked(self, name: object) -> str:
        """The label a client asks for; none is the first.

        3D Slicer sends the name of any segment the reader made. As long as nobody configured labels every name is
        welcome; once there is a list, a name outside it is a mistake that would end up in the training data.
        """
        if name is None or name in ("", BACKGROUND):
            return self.names[0]
        if not isinstance(name, str):
            raise PromptError(f"label must be a name, got {name!r}", "label")
        if self.strict and name not in self.names:
            shown = ", ".join(self.names[:12]) + (", ..." if len(self.names) > 12 else "")
            raise PromptError(f"label {name!r} is not configured; configured are {shown}", "label")
        return name


def app_labels(config: AppConfig, studies: str) -> LabelNames:
    """Labels from the settings, else from the studies' `dataset.json`, else one that fits everything."""
    names = config.labels or _dataset_labels(Path(studies) / "dataset.json")
    chosen = tuple(name for name in names if name != BACKGROUND)[:MAX_LABELS]
    return LabelNames(chosen, strict=True) if chosen else LabelNames()


def _dataset_labels(path: Path) -> tuple[str, ...]:
    """Every label of a studies folder, in the order of first mention."""
    if not path.is_file():
        return ()
    try:
        described = json.loads(path.read_text())
        tables = [described.get("labels", {}), *(case.get("labels", {}) for case in described["cases"].values())]
        return tuple(dict.fromkeys(str(name) for table in tables for name in table.values()))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        log.warning("dataset.json is not understood, its labels are not used", reason=repr(error))
        return ()
