"""The field `online` of a request: whether what was learned since the adapter is laid over the answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from samlabel.errors import RequestError

AUX, OFF = "aux", "off"
WAYS = (OFF, AUX)  # of the setting, too

# As the clients spell "leave it to the server"; the first is what 3D Slicer sends when nobody touched it.
AUTO = ("auto", "")


def wanted(request: Mapping[str, Any], setting: str) -> bool:
    """Whether a request wants it, given what the server was started with."""
    told = request.get("online")
    said = str(AUTO[0] if told is None else told).strip().lower()
    if said not in (*AUTO, *WAYS):
        raise RequestError(f"online must be auto, {' or '.join(WAYS)}, got {said[:40]!r}", "online")
    if said == AUX and setting != AUX:
        raise RequestError("this server does not learn as it goes: start it with --set online=aux", "online")
    return setting == AUX and said != OFF
