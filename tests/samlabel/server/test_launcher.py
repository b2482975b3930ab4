"""What a start must not pay for."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from unittest import mock

import pytest

from samlabel.errors import ConfigError
from samlabel.server.launcher import ServeOptions, serve

# As `samlabel serve` begins, up to the point where it would listen.
START = """
import sys
from samlabel.commands import serve
serve.run = lambda options, home, say: None
serve.serve(setting=["prefetch=false"])
from samlabel.host.lazy_host import NEEDED_LATER, light_host
with light_host():
    import samlabel.server.app, samlabel.server.asgi
print([name for name in (*NEEDED_LATER, "sympy", "pandas", "mlflow") if name in sys.modules])
"""


@pytest.mark.slow
def test_a_server_starts_without_what_clicks_do_not_use() -> None:
    done = subprocess.run([sys.executable, "-c", START], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]", done.stdout


@pytest.mark.slow
@pytest.mark.usefixtures("server")  # the host is imported without the settings of this test
def test_what_the_app_refuses_is_said_before_the_web_server_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the web server's own start it was a page of traceback."""
    import uvicorn
    from monailabel.interfaces.utils import app as host

    def refuse() -> None:
        raise ConfigError("this cannot be", "labels")

    monkeypatch.setattr(host, "app_instance", refuse)
    monkeypatch.setattr(uvicorn, "run", lambda *_, **__: pytest.fail("it was started"))
    (tmp_path / "studies").mkdir()
    with mock.patch.dict(os.environ), pytest.raises(ConfigError, match="this cannot be"):
        serve(ServeOptions(str(tmp_path / "studies"), port=0), tmp_path / "home")
