"""`python -m tests.architecture print | write`: today's arrows as a table to review, and what is drawn from the table.

`print` shows `rooms.toml` as it would be if every arrow of today were allowed: write it to another file, and read what
differs from the table before that file takes its place. `write` renews docs/architecture.md and its picture.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

from tests.architecture import drawing
from tests.architecture.house import HERE, House, ours

DOCUMENT, PICTURE = Path("docs/architecture.md"), Path("docs/images/house.svg")

# The part of the document that is drawn.
TABLE = re.compile(r"(?<=<!-- drawn from tests/architecture/rooms.toml -->\n\n).*?(?=\n<!-- end -->)", re.DOTALL)


def as_toml(house: House) -> str:
    """The table with today's arrows: known rooms in their order, new ones at the end without a law."""
    today = house.arrows_between_rooms()
    text = "".join(f"{line}\n" for line in (HERE / "rooms.toml").read_text().splitlines() if line.startswith("#"))
    for name in [*(n for n in house.rooms if n in today), *sorted(today.keys() - house.rooms.keys())]:
        law = house.rooms[name].law if name in house.rooms else "TODO: one sentence"
        row = ", ".join(f'"{other}"' for other in sorted(today[name]))
        listed = f"[{row}]" if len(row) < 100 else "[\n" + "".join(f"  {o},\n" for o in _filled(row)) + "]"
        text += f'\n["{name}"]\nlaw = {json.dumps(law)}\nmay_import = {listed}\n'
    return text


def _filled(row: str) -> list[str]:
    lines = [""]
    for word in row.split(", "):
        if len(lines[-1]) + len(word) > 112:
            lines.append("")
        lines[-1] += (", " if lines[-1] else "") + word
    return lines


def main(wish: str) -> None:
    """Do what the first argument says."""
    house = ours()
    if wish == "print":
        sys.stdout.write(as_toml(house))
        return
    document = house.root / DOCUMENT
    document.write_text(TABLE.sub(lambda _: drawing.table(house.rooms), document.read_text()))
    (house.root / PICTURE).write_text(drawing.picture(house))


if __name__ == "__main__":
    if sys.argv[1:] not in (["print"], ["write"]):
        sys.exit("usage: python -m tests.architecture print | write")
    main(sys.argv[1])
