"""Chromium, as the tests start it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest

from tests.processes import HANG_S

# Without WebGL the volume viewports stay black; SwiftShader is slow and correct. What is no WebGL needs none of it: the
# page put together and painted by the processor itself takes a third of the time.
FLAGS = [
    "--no-sandbox",
    "--use-gl=angle",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    "--ignore-gpu-blocklist",
    "--disable-gpu-compositing",
    "--disable-gpu-rasterization",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
]
# A quarter of the pixels, in the same places; pictures for the documentation have all of them.
SCALE = 1.0 if "SAMLABEL_PICTURES" in os.environ else 0.5
# Only against what hangs.
PATIENCE_MS = 1000 * HANG_S

# One for all tests of a process, once the first has asked: it starts as slowly as a study opens.
_running: list[Any] = []
_ends = ExitStack()


@contextmanager
def browser_page(address: str) -> Iterator[Any]:
    """A page of somebody whose browser knows nothing of others."""
    with browser() as chromium:
        yield new_page(chromium, address)


def new_page(chromium: Any, address: str) -> Any:
    """A page of another person at another machine: nothing is shared with other pages."""
    context = chromium.new_context(viewport={"width": 1400, "height": 900}, base_url=address, device_scale_factor=SCALE)
    context.set_default_timeout(PATIENCE_MS)
    context.on("dialog", lambda dialog: dialog.accept())
    return context.new_page()


@contextmanager
def browser() -> Iterator[Any]:
    """Chromium, for several people; their pages are closed when the block ends."""
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("chromium is missing: apt install chromium")
    from playwright.sync_api import sync_playwright

    if not _running:
        playwright = _ends.enter_context(sync_playwright())
        _running.append(playwright.chromium.launch(executable_path=chromium, args=FLAGS))
        _ends.callback(lambda: _running.pop().close())
    try:
        yield _running[0]
    finally:
        for context in _running[0].contexts:
            context.close()


def end_browser() -> None:
    """Close the browser that the tests of this process shared."""
    _ends.close()
