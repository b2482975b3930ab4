"""Exception types of training: refused, failed, or stopped."""

from __future__ import annotations

from sam_infer.errors import SamError


class TrainingError(SamError):
    """A run that cannot be started or continued."""


class StoppedError(Exception):
    """Somebody asked for an end; what was found so far is kept."""
