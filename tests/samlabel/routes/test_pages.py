"""The start page, the API reference and the log; a page for who is not logged in."""

import asyncio
import re
from pathlib import Path

import pytest
from fastapi import HTTPException
from monailabel.config import settings
from starlette.requests import Request

from samlabel.access.error_replies import on_http_error
from tests.samlabel.conftest import Server


@pytest.mark.parametrize("path", ["/", "/docs", "/logs/"])
def test_a_page_asks_for_nothing_from_elsewhere(server: Server, path: str) -> None:
    (Path(settings.MONAI_LABEL_APP_DIR) / "logs").mkdir(exist_ok=True)
    (Path(settings.MONAI_LABEL_APP_DIR) / "logs" / "app.log").write_text("first\n<b>second</b>\n")
    page = server.client.get(path)
    assert page.status_code == 200 and page.headers["content-type"].startswith("text/html")
    assert re.findall(r"(?:src|href)=\"?(?:https?:)?//[^\"> ]*", page.text) == []
    for address in re.findall(r'(?:src|href)="(/[^"]*)"', page.text):
        assert server.client.get(address).status_code in (200, 404), address  # no training ran yet: 404


def test_the_start_page_leads_to_what_there_is(server: Server) -> None:
    page = server.client.get("/").text
    for place in ("/ohif/", "/docs", "/ready", "/metrics", "/labels/", "/adapters/"):
        assert f'href="{place}"' in page


def test_the_api_reference_has_its_scripts(server: Server) -> None:
    for name, kind in (("swagger-ui-bundle.js", "javascript"), ("swagger-ui.css", "css")):
        answer = server.client.get(f"/docs/{name}")
        assert kind in answer.headers["content-type"] and len(answer.content) > 100_000
    assert server.client.get("/docs/core.py").status_code == 404


def test_the_log_is_shown_as_text(server: Server) -> None:
    logs = Path(settings.MONAI_LABEL_APP_DIR) / "logs"
    logs.mkdir(exist_ok=True)
    (logs / "app.log").write_text("".join(f"line {n}\n" for n in range(500)) + "<script>x</script>\n")
    page = server.client.get("/logs/?refresh=1")
    assert "&lt;script&gt;" in page.text and "<script>" not in page.text and page.headers["refresh"] == "3"
    assert "line 199\n" not in page.text and "line 300\n" in page.text
    assert server.client.get("/logs/?text=true&lines=2").text == "line 499\n<script>x</script>\n"
    for lines in (0, -1, 10**9):
        assert "from 1 to" in server.client.get(f"/logs/?lines={lines}").json()["detail"]
    (logs / "app.log").write_text(f"{server.studies}/l.nii.gz: read\nfrom {server.studies}; done\n")
    assert server.client.get("/logs/?text=true").text == "l.nii.gz: read\nfrom studies; done\n"
    (logs / "app.log").unlink()
    assert server.client.get("/logs/").status_code == 404


def test_the_host_s_static_files_are_not_served(server: Server) -> None:
    assert server.client.get("/static/ohif/index.html").status_code == 404
    assert server.client.get("/favicon.ico").status_code == 200


def test_who_is_not_logged_in_reads_a_page() -> None:
    def asked(accept: str) -> Request:
        return Request({"type": "http", "method": "GET", "path": "/ohif/", "headers": [(b"accept", accept.encode())]})

    refusal = HTTPException(401, "Not authenticated", {"www-authenticate": "Bearer"})
    page = asyncio.run(on_http_error(asked("text/html,*/*"), refusal))
    assert page.status_code == 401 and b"logged in" in page.body and page.headers["www-authenticate"] == "Bearer"
    told = asyncio.run(on_http_error(asked("application/json"), refusal))
    assert told.status_code == 401 and told.body == b'{"detail":"Not authenticated"}'
