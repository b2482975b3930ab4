"""The viewer's files and its page, through the whole application."""

import re

import pytest

from samlabel.viewer.files import COMPANION, EXTENSION, VIEWER
from samlabel.viewer.page import KNOWN_BUILD
from tests.samlabel.conftest import Server


@pytest.mark.parametrize(
    "path", ["/ohif/", "/ohif/index.html", "/ohif/monai-label?StudyInstanceUIDs=1.2", "/ohif/samlabel"]
)
def test_every_address_of_the_viewer_is_its_page_with_the_companion(server: Server, path: str) -> None:
    answer = server.client.get(path)
    assert answer.status_code == 200 and "text/html" in answer.headers["content-type"]
    assert (
        answer.text.count('<script type="module" src="/ohif/companion/main.js" data-build="known"></script></body>')
        == 1
    )
    assert "http://" not in answer.text and "https://" not in answer.text  # nothing that an isolated machine waits for


def test_the_page_is_otherwise_the_stock_one(server: Server) -> None:
    stock = (VIEWER / "index.html").read_text()
    ours = server.client.get("/ohif/").text
    scripts = [tag for tag in re.findall(r"<script[^>]*>", stock)]
    assert KNOWN_BUILD in stock and all(tag in ours for tag in scripts)


def test_the_companion_is_served_as_it_is(server: Server) -> None:
    parts = sorted(COMPANION.glob("*.js"))
    imported = {name for part in parts for name in re.findall(r"from '\./(\w+\.js)'", part.read_text())}
    assert imported | {"main.js"} == {part.name for part in parts}
    for part in parts:
        answer = server.client.get(f"/ohif/companion/{part.name}")
        assert answer.headers["content-type"].startswith("text/javascript") and answer.text == part.read_text()


def test_the_settings_load_our_extension_and_our_mode_first(server: Server) -> None:
    answer = server.client.get("/ohif/app-config.js")
    assert answer.headers["content-type"].startswith("text/javascript")
    assert answer.text.startswith((VIEWER / "app-config.js").read_text())
    assert "'/ohif/extension.js'" in answer.text and "modes = ['/ohif/mode.js', " in answer.text


def test_every_module_of_the_extension_is_served_as_it_is(server: Server) -> None:
    modules = sorted(EXTENSION.rglob("*.js"))
    assert {"extension.js", "mode.js"} < {module.name for module in modules}
    for module in modules:
        answer = server.client.get(f"/ohif/{module.relative_to(EXTENSION)}")
        assert answer.headers["content-type"].startswith("text/javascript") and answer.content == module.read_bytes()
        for name in re.findall(r"from '(\.[^']+)'", module.read_text()):
            assert (module.parent / name).is_file(), (module, name)


def test_style_sheets_ask_no_other_machine(server: Server) -> None:
    for sheet in VIEWER.glob("*.css"):
        text = server.client.get(f"/ohif/{sheet.name}").text
        assert "fonts.googleapis.com" not in text and len(text) > 0.9 * len(sheet.read_text()) - 300


@pytest.mark.parametrize("name", [KNOWN_BUILD, "assets/favicon.ico"])
def test_files_in_sub_folders_are_themselves(server: Server, name: str) -> None:
    answer = server.client.get(f"/ohif/{name}")
    assert answer.status_code == 200 and answer.content == (VIEWER / name).read_bytes()


@pytest.mark.parametrize(
    "path",
    [
        "/ohif/..%2F..%2Fapp.py",
        "/ohif/%2e%2e/index.html",
        "/ohif/nothing.js",
        "/ohif/companion/nothing.js",
        "/ohif/companion/..%2Fpage.py",
        "/ohif/panel/nothing.js",
    ],
)
def test_nothing_else_is_served(server: Server, path: str) -> None:
    answer = server.client.get(path)
    assert 400 <= answer.status_code < 500 and answer.json()["detail"]


def test_the_proxy_is_ours(server: Server) -> None:
    """A folder of images has no archive: the stock proxy would have asked the folder's path as an address."""
    answer = server.client.get("/proxy/dicom/qido/studies")
    assert answer.status_code == 404 and "no DICOM archive" in answer.json()["detail"]
    assert server.client.get("/proxy/dicom/system").status_code == 422
