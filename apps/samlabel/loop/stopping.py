"""Graceful stop by SIGTERM or Ctrl-C: a training finishes its step and keeps the best version."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

# Set to end a training in this very process; one in a process of its own is ended by SIGTERM.
stop_requested = threading.Event()


@contextmanager
def stopping() -> Iterator[Callable[[], bool]]:
    """A question that becomes true when somebody asks for an end: SIGTERM, Ctrl-C, or `stop_requested`.

    Entered once all is loaded: until then nothing asks the question, and Ctrl-C ends a command by itself.
    """
    stop_requested.clear()
    if threading.current_thread() is not threading.main_thread():
        yield stop_requested.is_set
        return
    signals = (signal.SIGTERM, signal.SIGINT)

    def asked(*_: object) -> None:
        if stop_requested.is_set():  # twice: whoever asks does not want to wait
            raise KeyboardInterrupt
        stop_requested.set()

    before = {number: signal.signal(number, asked) for number in signals}
    try:
        yield stop_requested.is_set
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
