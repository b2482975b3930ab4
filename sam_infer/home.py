"""The home directory of a user's files: weights, adapters, embeddings, trainings."""

from __future__ import annotations

import os
from pathlib import Path

HOME_VARIABLE = "SAMLABEL_HOME"


def default_home() -> Path:
    """The folder named by SAMLABEL_HOME, or the user's data folder."""
    return Path(os.environ.get(HOME_VARIABLE) or "~/.local/share/samlabel").expanduser()
