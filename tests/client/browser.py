"""Chromium, as the tests start it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.processes import HANG_S

# Without WebGL the volume viewports stay black; SwiftShader is slow and correct.
FLAGS = [
    "--no-sandbox",
    "--use-gl=angle",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    "--ignore-gpu-blocklist",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
]
# Only against what hangs.
PATIENCE_MS = 1000 * HANG_S


@contextmanager
def browser_page(address: str) -> Iterator[Any]:
    """A page of a fresh browser."""
    with browser() as chromium:
        yield new_page(chromium, address)


def new_page(chromium: Any, address: str) -> Any:
    """A page of another person at another machine: nothing is shared with other pages."""
    context = chromium.new_context(viewport={"width": 1400, "height": 900}, base_url=address)
    context.set_default_timeout(PATIENCE_MS)
    context.on("dialog", lambda dialog: dialog.accept())
    return context.new_page()


@contextmanager
def browser() -> Iterator[Any]:
    """Chromium, for several people."""
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("chromium is missing: apt install chromium")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        yield browser
        browser.close()
