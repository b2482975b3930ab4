"""Report page for people: tables and figures in one self-contained HTML file."""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from sam_trainer.reports.table import Row

STYLE = """body{font:15px/1.5 system-ui,sans-serif;max-width:72rem;margin:2rem auto;padding:0 1rem;color:#1c2430}
table{border-collapse:collapse;font-size:13px;margin:1rem 0}td,th{border:1px solid #d4dae2;padding:3px 8px}
td{text-align:right}td.text{text-align:left}th{background:#f1f4f8}figure{display:inline-block;margin:4px}
figcaption{font-size:12px;max-width:200px}img{max-width:100%}"""


@dataclass
class Page:
    """A self-contained HTML page; figures are also written beside it as PNG."""

    title: str
    parts: list[str] = field(default_factory=list)
    figures: dict[str, bytes] = field(default_factory=dict)

    def text(self, words: str) -> None:
        """Add a paragraph."""
        self.parts.append(f"<p>{html.escape(words)}</p>")

    def table(self, title: str, rows: Sequence[Row], columns: Sequence[str] | Mapping[str, str]) -> None:
        """Add the named columns of rows, under names for people where these are given; nothing is a sentence."""
        if not rows:
            self.parts.append(f"<h2>{html.escape(title)}</h2><p>Nothing yet.</p>")
            return
        names = columns if isinstance(columns, Mapping) else {name: name for name in columns}
        head = "".join(f"<th>{html.escape(name)}</th>" for name in names.values())
        body = "".join(f"<tr>{''.join(_cell(row.get(name, '')) for name in columns)}</tr>" for row in rows)
        self.parts.append(f"<h2>{html.escape(title)}</h2><table><tr>{head}</tr>{body}</table>")

    def figure(self, name: str, figure: Figure) -> None:
        """Add a chart."""
        buffer = io.BytesIO()
        figure.savefig(buffer, format="png", dpi=110, bbox_inches="tight")
        self.figures[name] = buffer.getvalue()
        self.parts.append(f'<img alt="{html.escape(name)}" src="{_inline(self.figures[name])}">')

    def heading(self, words: str) -> None:
        """Add a heading."""
        self.parts.append(f"<h2>{html.escape(words)}</h2>")

    def write(self, folder: Path, name: str) -> Path:
        """Write the page and its figures."""
        folder.mkdir(parents=True, exist_ok=True)
        for figure, data in self.figures.items():
            (folder / f"{name}-{figure}.png").write_bytes(data)
        page = folder / f"{name}.html"
        page.write_text(
            f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{html.escape(self.title)}</title>'
            f"<style>{STYLE}</style><h1>{html.escape(self.title)}</h1>{''.join(self.parts)}</html>"
        )
        return page


def _cell(value: Any) -> str:
    if value is None:
        return "<td>not known</td>"
    if isinstance(value, float):
        return f"<td>{value:.3f}</td>"
    return f'<td class="text">{html.escape(str(value))}</td>' if isinstance(value, str) else f"<td>{value}</td>"


def _inline(png: bytes) -> str:
    return "data:image/png;base64," + base64.b64encode(png).decode()
