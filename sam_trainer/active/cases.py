"""What scoring must know of the place where images and labels are kept; a server's store satisfies it."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Protocol

from sam_infer.automatic.example import AcceptedCase
from sam_infer.serving.server_state import Serving
from sam_trainer.labels.round import AcceptedLabel
from sam_trainer.studies import Studies


class Cases(Protocol):
    """The cases of one studies folder or archive, by name."""

    @property
    def studies(self) -> Studies:
        """Where they are."""

    @property
    def labels(self) -> tuple[str, ...]:
        """The names that a network is asked about."""

    def every(self) -> Collection[str]:
        """All cases."""

    def labelled(self) -> Collection[str]:
        """Those with an accepted label."""

    def unlabelled(self) -> Collection[str]:
        """Those without one."""

    def path(self, case: str) -> Path:
        """A case's image; one in an archive is fetched."""

    def accepted(self) -> list[AcceptedLabel]:
        """The accepted labels that count."""

    def examples(self, serving: Serving) -> list[AcceptedCase]:
        """Images with accepted labels for automatic modes, the newest first."""
