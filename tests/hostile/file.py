"""One hostile file: what it pretends to be, and whether anything may be read from it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class HostileFile:
    """Bytes under a name; a mutant may by chance still be an image, everything else must be refused."""

    name: str
    suffix: str
    content: bytes
    must_fail: bool = True

    @property
    def file_name(self) -> str:
        """As a client would call it."""
        return f"{self.name}{self.suffix}"

    def written(self, folder: Path) -> Path:
        """The file in a folder."""
        path = folder / self.file_name
        path.write_bytes(self.content)
        return path


def cut(suffix: str, whole: bytes, at: tuple[int, ...]) -> Iterator[HostileFile]:
    """The same file, ending too early; a negative place counts from the end."""
    for place in at:
        yield HostileFile(f"cut-{place}".replace("--", "-minus-"), suffix, whole[:place])
