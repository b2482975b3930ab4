"""The app's settings: the host's conf strings, read once into a frozen value.

`samlabel serve` passes them on from its options; the host's own command line as `--conf KEY VALUE`:

    model           name of the network: tiny, vit_b, vit_l, vit_h, medsam, mobile_sam           (tiny)
    adapter         trained on accepted labels: latest, none, or an adapter's id               (latest)
    labels          comma-separated names; without it the studies' dataset.json, else "object"       ()
    warm_up         load weights and file readers right after the start                          (true)
    memory_mb       encoded slices kept in memory                                                 (512)
    disk_mb         encoded slices kept on disk                                                  (4096)
    volumes_mb      images kept in memory                                                        (2048)
    lease_seconds   how long a case stays with a reader of whom nothing is heard                  (900)
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from samlabel.errors import ConfigError

# Read by the host itself from the same dictionary.
HOST_KEYS = {"server_mode"}

TRUE, FALSE = {"true", "yes", "on", "1"}, {"false", "no", "off", "0"}


@dataclass(frozen=True)
class AppConfig:
    """Settings of one app; the module's docstring says what each means."""

    model: str = "tiny"
    adapter: str = "latest"
    labels: tuple[str, ...] = ()
    warm_up: bool = True
    memory_mb: int = 512
    disk_mb: int = 4096
    volumes_mb: int = 2048
    lease_seconds: int = 900

    @classmethod
    def of(cls, conf: Mapping[str, Any]) -> AppConfig:
        """The settings that the host was started with; an unknown key is refused, not ignored."""
        known = {field.name for field in fields(cls)}
        unknown = sorted(set(conf) - known - HOST_KEYS)
        if unknown:
            raise ConfigError(f"unknown setting {unknown[0]!r}; known are {', '.join(sorted(known))}", unknown[0])
        values = {name: _value(name, conf[name]) for name in known & set(conf)}
        return cls(**values)


def _value(name: str, text: Any) -> Any:
    default = getattr(AppConfig, name)
    text = str(text).strip()
    if isinstance(default, bool):
        return flag(name, text)
    if isinstance(default, int):
        if not text.isdecimal():
            raise ConfigError(f"{name} must be a whole number, got {text!r}", name)
        return int(text)
    if isinstance(default, tuple):
        return tuple(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))
    if not text:
        raise ConfigError(f"{name} must not be empty", name)
    return text


def flag(name: str, text: str) -> bool:
    """A switch as text: true or false, yes or no, on or off, 1 or 0."""
    if text.lower() in TRUE:
        return True
    if text.lower() in FALSE:
        return False
    raise ConfigError(f"{name} must be true or false, got {text!r}", name)
