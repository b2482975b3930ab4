"""The frame of our own HTML pages: one style sheet inside, nothing from elsewhere."""

from __future__ import annotations

import html

_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; color: #1a2233; }
a { color: #0b57b0; } td { padding: .3rem 1.2rem .3rem 0; vertical-align: top; }
pre { white-space: pre-wrap; font-size: 13px; }
.first { display: inline-block; padding: .6rem 1.2rem; background: #0b57b0; color: #fff; border-radius: .4rem;
  text-decoration: none; }
"""


def html_page(title: str, body: str) -> str:
    """A whole page; `body` is HTML already, the title is not."""
    name = html.escape(title)
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{name}</title>'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<link rel="icon" href="/favicon.ico"><style>{_STYLE}</style></head>'
        f"<body><h1>{name}</h1>{body}</body></html>"
    )
