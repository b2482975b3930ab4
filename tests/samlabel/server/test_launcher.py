"""What a start must not pay for."""

from __future__ import annotations

import subprocess
import sys

import pytest

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
