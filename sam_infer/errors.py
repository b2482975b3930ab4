"""Exception types of inference: what can go wrong, and under which base class.

SamError
  VolumeError    an image or label map cannot be read, or two grids do not match
  PromptError    a hint is malformed, outside the image or contradictory
  ModelError     weights are missing, damaged or not what they claim to be
  AdapterError   an adapter is damaged or made for another network
    UnknownAdapterError  there is no adapter of that name
  BusyError      too many wait for the same device
  AuditError     what is done cannot be recorded
  CacheError     a stored embedding cannot be trusted (always handled inside, by encoding again)

Every message says what was wrong, what was expected and, where there is one, what to do.
"""

from __future__ import annotations


class SamError(Exception):
    """Base of everything this project raises on purpose; carries the name of the offending field."""

    def __init__(self, message: str, field: str | None = None) -> None:
        super().__init__(message)
        self.field = field


class VolumeError(SamError):
    """An image or label map that cannot be used."""


class PromptError(SamError):
    """A hint that cannot be used."""


class ModelError(SamError):
    """Weights that cannot be used."""


class BusyError(SamError):
    """Others were before: to be asked again later."""


class AdapterError(SamError):
    """An adapter that cannot be used."""


class UnknownAdapterError(AdapterError):
    """An adapter that is not there."""


class AuditError(SamError):
    """An audit trail that cannot be written or read."""


class CacheError(SamError):
    """A stored embedding that cannot be used."""
