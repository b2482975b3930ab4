"""Default settings of the host that do not suit a hospital, and the values that replace them.

Our launcher applies them to the environment before the host is imported; the sub-processes of the host inherit them.
When the host's own command line loads the app it has read its settings already: then those that still have the host's
default are set afterwards. Whoever sets a variable on purpose keeps it (with the host's command line: unless it is
set to the host's own default).
"""

from __future__ import annotations

import os
from collections.abc import MutableMapping
from typing import Any

# Set by `apply`; tells a later `align` that every value in the settings is somebody's choice.
APPLIED = "SAMLABEL_SETTINGS_APPLIED"

HOST_DEFAULTS = {
    # monai's MLflow handler refuses the host's default tracking folder, and nobody here reads it.
    "MONAI_LABEL_TRACKING_ENABLED": "false",
    # Otherwise every "next sample" starts a python process per scoring method.
    "MONAI_LABEL_AUTO_UPDATE_SCORING": "false",
    # The host offers CT only; the store leaves out what is no image.
    "MONAI_LABEL_DICOMWEB_SEARCH_FILTER": "{}",
}

OTHERS = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    # The host asks an archive for its labelled series every two hours only; it reads this when it is imported.
    "MONAI_LABEL_DICOMWEB_CACHE_EXPIRY": "60",
    # The host's background worker dies without it.
    "PYTHONPATH": "",
}

_PARSED: dict[str, Any] = {"false": False, "{}": {}}


def apply(environ: MutableMapping[str, str] = os.environ) -> None:
    """Put our defaults into an environment in which the host is not imported yet."""
    for name, value in {**HOST_DEFAULTS, **OTHERS, APPLIED: "1"}.items():
        environ.setdefault(name, value)


def align(settings: Any, environ: MutableMapping[str, str] = os.environ) -> None:
    """Give the host's loaded settings our defaults where they still have the host's."""
    for name, value in OTHERS.items():
        environ.setdefault(name, value)
    if APPLIED in environ:
        return
    for name, value in HOST_DEFAULTS.items():
        if getattr(settings, name) == type(settings).model_fields[name].default:
            setattr(settings, name, _PARSED[value])
            environ[name] = value
