"""What a test's server finds loaded: the libraries below it. Our own modules and the host's come fresh in each server.

They read the environment when they are imported; and loading all else takes five times as long as a test's few clicks.
"""

from __future__ import annotations

import gc
import sys
from contextlib import redirect_stdout
from io import StringIO

import itk

from samlabel.host.lazy_host import light_host
from tests.itk_lock import own_lock

own_lock()
gc.disable()  # what is loaded stays, here and in the copies: nobody need look among it for what could be freed

with light_host(), redirect_stdout(StringIO()):
    import samlabel.server.app
    import samlabel.server.asgi  # noqa: F401

# named, they are loaded; used, they would begin threads, which no copy of a process has
_ = itk.ImageFileReader, itk.ImageFileWriter, itk.ExtractImageFilter, itk.CastImageFilter

for name in [name for name in sys.modules if name.split(".")[0] in ("samlabel", "monailabel")]:
    del sys.modules[name]

gc.freeze()
gc.enable()
