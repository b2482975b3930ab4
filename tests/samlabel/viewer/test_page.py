"""The viewer's files and its page, through the whole application."""

import re
from pathlib import Path

import pytest

from samlabel.viewer.files import EXTENSION, VIEWER
from samlabel.viewer.installed import BUILTIN, ViewerStore
from tests.samlabel.conftest import Server
from tests.samlabel.viewer.test_installed import package

BUNDLE = next(VIEWER.glob("app.bundle.*.js")).name


@pytest.mark.parametrize(
    "path", ["/ohif/", "/ohif/index.html", "/ohif/monai-label?StudyInstanceUIDs=1.2", "/ohif/samlabel"]
)
def test_every_address_of_the_viewer_is_its_page(server: Server, path: str) -> None:
    answer = server.client.get(path)
    assert answer.status_code == 200 and "text/html" in answer.headers["content-type"]
    stock = (VIEWER / "index.html").read_text()
    assert all(tag in answer.text for tag in re.findall(r"<script[^>]*>", stock))
    assert "http://" not in answer.text and "https://" not in answer.text  # nothing that an isolated machine waits for


def test_a_viewer_that_was_built_for_the_root_of_a_server_works_below_ours(server: Server, tmp_path: Path) -> None:
    store = ViewerStore()
    store.add(
        package(
            tmp_path / "ohif.tgz",
            **{
                "dist/index.html": b"""<link rel="icon" href="/a.png"><link href="https://fonts.example/x">
                    <script>window.PUBLIC_URL="/"</script>
                    <script defer src="/app.bundle.0f6159c501addfe9.js"></script>""",
                "dist/app.bundle.0f6159c501addfe9.js": b'/******/ __webpack_require__.p = "/";',
                "dist/app.bundle.css": b"a{src:url(/f.woff2)} b{src:url(//x/y)} c{src:url(data:1)}",
            },
        )
    )
    get = server.client.get
    told = get("/ohif/samlabel").text
    assert 'href="/ohif/a.png"' in told and 'PUBLIC_URL="/ohif/"' in told and "fonts" not in told
    assert 'src="/ohif/app.bundle.0f6159c501addfe9.js"' in told
    script = get("/ohif/app.bundle.0f6159c501addfe9.js")
    assert (
        script.text == '/******/ __webpack_require__.p = "/ohif/";' and "immutable" in script.headers["cache-control"]
    )
    assert get("/ohif/app.bundle.css").text == "a{src:url(/ohif/f.woff2)} b{src:url(//x/y)} c{src:url(data:1)}"
    assert "'/ohif/mode.js'" in get("/ohif/app-config.js").text
    store.use(BUILTIN)  # from the next request on
    assert "0f6159c501addfe9" not in get("/ohif/").text


def test_the_settings_load_our_extension_and_our_mode_first(server: Server) -> None:
    answer = server.client.get("/ohif/app-config.js")
    assert answer.headers["content-type"].startswith("text/javascript")
    assert answer.text.startswith((VIEWER / "app-config.js").read_text())
    assert "'/ohif/extension.js'" in answer.text and "modes: ['/ohif/mode.js', " in answer.text


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


@pytest.mark.parametrize("name", [BUNDLE, "assets/favicon.ico"])
def test_files_in_sub_folders_are_themselves(server: Server, name: str) -> None:
    answer = server.client.get(f"/ohif/{name}")
    assert answer.status_code == 200 and answer.content == (VIEWER / name).read_bytes()


@pytest.mark.parametrize(
    "path",
    [
        "/ohif/..%2F..%2Fapp.py",
        "/ohif/%2e%2e/index.html",
        "/ohif/nothing.js",
        "/ohif/panel/..%2F..%2Fpage.py",
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
