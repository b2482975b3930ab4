"""What is wrong with the rooms of a house, as sentences with the names that matter."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter

from tests.architecture.house import PACKAGES, House

MOST_FILES, FEWEST_FILES, MOST_AT_THE_TOP = 15, 2, 8

# Values that travel beside arguments hide what code depends on: who asks and whether the client has gone, nothing else.
AMBIENT_ROOM = "samlabel.access"

# The ways to label a volume without a hint. A file that names three of them chooses between them for somebody; scoring
# names two, and takes the head where there is one.
MODES = {"propose_labels", "grid_labels", "selfprompt_labels", "detect_labels", "atlas_labels", "semantic_labels"}


def wrong_arrows(house: House) -> Iterator[str]:
    """Imports that the table does not allow, and allowed ones that nobody needs any more."""
    for arrow in house.arrows:
        source, target = house.room_of(arrow.source.name), house.room_of(arrow.target)
        if source in house.rooms and target not in house.rooms[source].may_import:
            where = f"{house.shown(arrow.source)}:{arrow.line}"
            yield f"{source} must not import {target}: {where} imports {arrow.target}"
    today = house.arrows_between_rooms()
    for name, room in house.rooms.items():
        for target in sorted(room.may_import - today.get(name, set())):
            yield f"{name} may import {target} and no longer does: take it out of tests/architecture/rooms.toml"


def wrong_rooms(house: House) -> Iterator[str]:
    """Rooms without a law, laws without a room, rooms and package tops that are too large or too small."""
    yield from _rooms_one_by_one(house)
    for name in house.rooms:
        if name not in house.found_rooms:
            yield f"{name} has an entry in tests/architecture/rooms.toml, and no file lies there"
    for package, folder in PACKAGES.items():
        lying = len(list((house.root / folder).glob("*.py")))
        if lying > MOST_AT_THE_TOP:
            yield f"{package} has {lying} files at its top, at most {MOST_AT_THE_TOP} may lie there: give them rooms"


def _rooms_one_by_one(house: House) -> Iterator[str]:
    for room in house.found_rooms:
        files = house.files_of(room)
        if room not in house.rooms:
            yield f"{room} has no entry in tests/architecture/rooms.toml: {house.shown(files[0])} lies there"
        if len(files) > MOST_FILES:
            yield f"{room} has {len(files)} files, at most {MOST_FILES} fit: split it or find other rooms for some"
        if len(files) < FEWEST_FILES and not house.is_door(room):
            yield f"{room} has {len(files)} file: a room has at least {FEWEST_FILES}, merge it with its neighbour"


def cycles(house: House) -> Iterator[str]:
    """The first circle of rooms that import each other."""
    try:
        TopologicalSorter(house.arrows_between_rooms()).prepare()
    except CycleError as error:
        circle = list(reversed(error.args[1]))
        yield f"rooms import each other in a circle: {' -> '.join(circle)}"


def hidden_channels(house: House) -> Iterator[str]:
    """Context variables outside the room that guards access."""
    for module in house.modules.values():
        if house.room_of(module.name) != AMBIENT_ROOM and "ContextVar" in _names(module.tree):
            yield f"{house.shown(module)} uses a ContextVar; only {AMBIENT_ROOM} may: return the value instead"


def dispatchers(house: House) -> list[str]:
    """The files that choose between automatic modes, other than those that define them."""
    return [
        house.shown(module)
        for module in house.modules.values()
        if len((_names(module.tree) - _defined(module.tree)) & MODES) > 2
    ]


def _names(tree: ast.AST) -> set[str]:
    found = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    return found | {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}


def _defined(tree: ast.Module) -> set[str]:
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
