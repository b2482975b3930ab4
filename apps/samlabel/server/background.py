"""Subprocesses of the host (training, labelling and scoring of many cases) with lazy imports, as the server has them.

The host starts `python -m monailabel.interfaces.utils.app`, which imports all of monai first: half a minute of a
processor and a gigabyte of memory for each training. `mend` lets it start this module, which takes the same arguments.
"""

from __future__ import annotations

import subprocess
from types import SimpleNamespace
from typing import Any

from samlabel.host.lazy_host import light_host

STOCK, OURS = "monailabel.interfaces.utils.app", "samlabel.server.background"


def mend() -> None:
    """Let the host start its background work as this module; done once however often it is called."""
    from monailabel.utils.async_tasks import utils

    names = vars(utils)
    if not isinstance(names["subprocess"], SimpleNamespace):
        names["subprocess"] = SimpleNamespace(Popen=_popen, PIPE=subprocess.PIPE, STDOUT=subprocess.STDOUT)


def _popen(command: list[str], **options: Any) -> subprocess.Popen[str]:
    return subprocess.Popen([OURS if word == STOCK else word for word in command], **options)


def main() -> None:
    """What the host's module does, on the same arguments."""
    with light_host():
        from monailabel.interfaces.utils.app import run_main

        from samlabel.server.app import SamApp  # noqa: F401 - the host loads it later, from a file

    run_main()


if __name__ == "__main__":
    main()
