"""The source tree as modules, rooms and arrows.

A room is a folder with code in it, written with dots (`sam_infer.slices`); the files at the top of a package are the
room called like the package. A folder that only holds data belongs to the room above it. An arrow is any way to name
another module: an import at the top, in a function or for types only, and a string that is a module's full name (how
the command line and data files are found).
"""

from __future__ import annotations

import ast
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parents[1]

PACKAGES = {"sam_infer": "sam_infer", "sam_trainer": "sam_trainer", "samlabel": "apps/samlabel"}

# `python -m samlabel` is a command that has to lie at the top.
ELSEWHERE = {"samlabel.__main__": "samlabel.commands"}


@dataclass(frozen=True)
class Room:
    """What `rooms.toml` says about one room."""

    law: str
    may_import: frozenset[str]


@dataclass(frozen=True)
class Arrow:
    """One module names another."""

    source: Module
    line: int
    target: str


@dataclass(frozen=True)
class Module:
    """One file of ours."""

    name: str
    path: Path

    @cached_property
    def text(self) -> str:
        return self.path.read_text()

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.text)

    @property
    def is_init(self) -> bool:
        return self.path.name == "__init__.py"

    @property
    def folder(self) -> str:
        return self.name if self.is_init else self.name.rpartition(".")[0]

    def named(self) -> Iterator[tuple[int, str]]:
        """Line and full name of everything that is imported; a string may be a module's name, too."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                yield from ((node.lineno, alias.name) for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                above = self.folder.split(".")[: len(self.folder.split(".")) + 1 - node.level] if node.level else []
                origin = ".".join([*above, *([node.module] if node.module else [])])
                yield from ((node.lineno, f"{origin}.{alias.name}") for alias in node.names)
            elif isinstance(node, ast.Constant) and isinstance(node.value, str) and "." in node.value:
                yield node.lineno, f'"{node.value}"'


class House:
    """All modules below a root, the room of each, and the arrows between them."""

    def __init__(self, root: Path, rooms: Mapping[str, Room]) -> None:
        self.root = root
        self.rooms = rooms
        found = [module for package, folder in PACKAGES.items() for module in _modules(package, root / folder)]
        self.modules = {module.name: module for module in found}
        self._with_code = {module.folder for module in found if not module.is_init}

    def shown(self, module: Module) -> str:
        """The file's path as people write it."""
        return module.path.relative_to(self.root).as_posix()

    def is_door(self, name: str) -> bool:
        """Whether a file has an entry of its own, because it stands above the rooms that it lies beside."""
        return name in self.rooms and name in self.modules and not self.modules[name].is_init

    def room_of(self, name: str) -> str:
        """The room that a module counts to."""
        if self.is_door(name):
            return name
        room = ELSEWHERE.get(name) or self.modules[name].folder
        while room not in self._with_code and "." in room:
            room = room.rpartition(".")[0]
        return room

    def files_of(self, room: str) -> list[Module]:
        """The modules in a room; `__init__.py` does not count."""
        return [m for m in self.modules.values() if not m.is_init and self.room_of(m.name) == room]

    @cached_property
    def found_rooms(self) -> list[str]:
        return sorted({self.room_of(module.name) for module in self.modules.values() if not module.is_init})

    @cached_property
    def arrows(self) -> list[Arrow]:
        """Every arrow that leaves a room."""
        return [
            Arrow(module, line, target)
            for module in self.modules.values()
            for line, name in module.named()
            if (target := self._resolved(name)) and self.room_of(target) != self.room_of(module.name)
        ]

    def arrows_between_rooms(self) -> dict[str, set[str]]:
        """For every room, the rooms that its files import today."""
        found: dict[str, set[str]] = {room: set() for room in self.found_rooms}
        for arrow in self.arrows:
            found[self.room_of(arrow.source.name)].add(self.room_of(arrow.target))
        return found

    def _resolved(self, name: str) -> str | None:
        """The module that a name belongs to: `a.b.Class` is of `a.b`. A string must be a module's name and no less."""
        if name.startswith('"'):
            return name.strip('"') if name.strip('"') in self.modules else None
        while name and name not in self.modules:
            name = name.rpartition(".")[0]
        return name or None


def _modules(package: str, folder: Path) -> Iterator[Module]:
    for path in sorted(folder.rglob("*.py")):
        parts = path.relative_to(folder).with_suffix("").parts
        yield Module(".".join([package, *(parts[:-1] if parts[-1] == "__init__" else parts)]), path)


def read_rooms(path: Path = HERE / "rooms.toml") -> dict[str, Room]:
    """The table, in its order."""
    return {
        name: Room(entry["law"], frozenset(entry["may_import"]))
        for name, entry in tomllib.loads(path.read_text()).items()
    }


def ours() -> House:
    """The house that this file belongs to."""
    return House(ROOT, read_rooms())
