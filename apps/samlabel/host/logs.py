"""Logging set-up: one log for everything, on the console and in a rotating file."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import structlog

from sam_infer.errors import SamError

MAX_BYTES, KEPT = 10 << 20, 10


def route_structlog() -> None:
    """Send our structured events through the standard loggers, where the host's messages go too.

    Left alone, structlog prints to standard output and draws every local variable of a traceback: slow, and patients'
    data in a log.
    """
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            structlog.processors.format_exc_info,
            structlog.dev.ConsoleRenderer(colors=False),
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
    )


def log_config(file: Path, verbose: bool = False) -> dict[str, Any]:
    """For `logging.config`: our level for us and the host, warnings only for their libraries."""
    level = "DEBUG" if verbose else "INFO"
    both = {"handlers": ["console", "file"], "propagate": False}
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"line": {"format": "%(asctime)s %(levelname)-7s %(name)s: %(message)s"}},
        "handlers": {
            "console": {"class": "logging.StreamHandler", "formatter": "line"},
            "file": {
                "class": "logging.handlers.RotatingFileHandler",
                "formatter": "line",
                "filename": str(file),
                "maxBytes": MAX_BYTES,
                "backupCount": KEPT,
                "encoding": "utf-8",
            },
        },
        "root": {"level": "WARNING", "handlers": ["console", "file"]},
        "loggers": {name: {**both, "level": level} for name in ("samlabel", "sam_infer", "sam_trainer", "uvicorn")}
        | {"monailabel": {**both, "level": level if verbose else "WARNING"}}
        | {f"task_{kind}": {**both, "level": "INFO"} for kind in ("train", "scoring", "batch_infer")}
        | {"timeloop": {"handlers": [], "propagate": False, "level": "WARNING"}}
        | {"uvicorn.access": {**both, "level": "INFO" if verbose else "WARNING"}},
    }


@contextmanager
def starting_in_words() -> Iterator[None]:
    """What is refused while the app starts is a sentence in the web server's log, which shows a traceback."""
    try:
        yield
    except (SamError, OSError) as error:
        logging.getLogger("uvicorn.error").addFilter(_InWords(f"the app does not start: {error}"))
        raise


class _InWords(logging.Filter):
    """A sentence in the place of tracebacks."""

    def __init__(self, sentence: str) -> None:
        super().__init__()
        self._sentence = sentence

    def filter(self, record: logging.LogRecord) -> bool:
        """Every record passes."""
        if str(record.msg).startswith("Traceback"):
            record.msg, record.args = self._sentence, ()
        return True
