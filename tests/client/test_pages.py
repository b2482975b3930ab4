"""Every page that the server has, in a browser that reaches nothing but the server."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from samlabel.dicom.demo import SMALL
from tests.client.browser import browser_page
from tests.client.conftest import QUIET, embedded

pytestmark = [pytest.mark.client, pytest.mark.slow]

STUDY = SMALL[0].uid("study")
PAGES = (
    "/",
    "/docs",
    "/logs/",
    "/ohif/",
    f"/ohif/samlabel?StudyInstanceUIDs={STUDY}",
    f"/ohif/monai-label?StudyInstanceUIDs={STUDY}",
)

# The stock panel asks whether a training runs; no is 404. A log file is written only where the host's own command does.
EXPECTED = ("/train/?check_if_running=true", "/logs/")

# Our panel asks for a draft and a label of the open case, of which there are none; no is 404.
NO_LABEL = "/datastore/label/info?"


def wrong_requests(page: Any, address: str, paths: Sequence[str]) -> list[str]:
    """What pages asked of others, or did not get."""
    found: list[str] = []

    def only_here(route: Any) -> None:
        if route.request.url.startswith(address):
            route.continue_()
        else:
            found.append(f"foreign: {route.request.url}")
            route.abort()

    page.route("http*://**", only_here)
    page.on(
        "response",
        lambda answer: (
            found.append(f"{answer.status}: {answer.url}")
            if answer.status >= 400
            and not answer.url.endswith(EXPECTED)
            and not (answer.status == 404 and NO_LABEL in answer.url)
            else None
        ),
    )
    page.on("pageerror", lambda error: found.append(f"page error: {error}"))
    for path in paths:
        page.goto(path)
        page.wait_for_function("() => document.body.innerText.trim() || document.querySelector('canvas')")
        page.wait_for_load_state("networkidle")
    return found


def test_no_page_asks_another_machine(tmp_path: Path) -> None:
    for station in embedded(tmp_path, SMALL[:1], (*QUIET, "warm_up=false")):
        with browser_page(station.address) as page:
            assert wrong_requests(page, station.address, PAGES) == []
            page.goto("/docs")
            page.get_by_text("/infer/{model}").first.wait_for()
            page.goto("/")
            page.click("text=Open the viewer")
            page.wait_for_selector("text=Phantom")
