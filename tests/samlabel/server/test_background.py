"""The host starts its background work as our module, on the same arguments."""

from __future__ import annotations

import subprocess
import sys

import pytest
from monailabel.utils.async_tasks import utils

from samlabel.server import background


def test_the_host_starts_our_module_on_its_own_arguments(monkeypatch: pytest.MonkeyPatch) -> None:
    started = []
    monkeypatch.setattr(utils, "subprocess", subprocess)
    background.mend()
    background.mend()
    monkeypatch.setattr(subprocess, "Popen", lambda command, **options: started.append((command, options)))
    stock = [sys.executable, "-m", "monailabel.interfaces.utils.app", "-m", "train", "-r", "{}"]
    host = vars(utils)["subprocess"]
    host.Popen(stock, stderr=host.STDOUT, stdout=host.PIPE)
    ours = [sys.executable, "-m", "samlabel.server.background", "-m", "train", "-r", "{}"]
    assert started == [(ours, {"stderr": subprocess.STDOUT, "stdout": subprocess.PIPE})]
