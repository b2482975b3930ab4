"""Where images and labels are: a studies folder, or the address of a DICOMweb archive, as one value.

What is kept about the studies (the ledger, scores, cases served) lies in folders of the user's home that are called by
`key`; whoever names the same studies in another way, relative or with a slash at the end, finds the same ones.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path

from sam_trainer.errors import TrainingError


@dataclass(frozen=True)
class Studies:
    """A studies folder by its whole path, or an archive by its address without a slash at the end."""

    place: str

    @classmethod
    def of(cls, text: str | Path) -> Studies:
        """The studies that somebody named."""
        named = str(text)
        return cls(named.rstrip("/") if _is_address(named) else str(Path(named).resolve()))

    def __str__(self) -> str:
        return self.place

    @property
    def is_archive(self) -> bool:
        """Whether images come over the network."""
        return _is_address(self.place)

    @property
    def folder(self) -> Path:
        """The studies folder; an archive has none."""
        if self.is_archive:
            raise TrainingError(f"{self.place} is an archive: a studies folder is needed here", "studies")
        return Path(self.place)

    @property
    def key(self) -> str:
        """What folders are called in which something is kept about these studies; it must never change."""
        name = "archive" if self.is_archive else Path(self.place).name
        return f"{name}-{blake2b(self.place.encode(), digest_size=4).hexdigest()}"


def _is_address(text: str) -> bool:
    return text.startswith(("http://", "https://"))
